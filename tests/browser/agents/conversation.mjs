// A conversation of three spoken turns, as an application built on @openai/agents would hold it: a plain one, one in
// which the model calls a function, and one into whose answer the user speaks. Runs in Node.js and in a browser alike.

import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

/** What the transport says, in order, and a way to wait for it. */
class Log {
  constructor(session) {
    this.events = [];
    this.waiting = [];
    session.on("transport_event", (event) => this.add(event));
    session.on("audio_interrupted", () => this.add({ type: "client.audio_interrupted" }));
    session.on("error", (error) => this.add({ type: "client.error", error: describe(error) }));
  }

  add(event) {
    const { delta: _, ...rest } = event;
    this.events.push(rest);
    this.waiting = this.waiting.filter((wait) => !wait());
  }

  /** The first event from number `from` on that fits, and the number of the one behind it. */
  until(fits, from) {
    let next = from;
    return new Promise((resolve) => {
      const look = () => {
        while (next < this.events.length) {
          const event = this.events[next++];
          if (fits(event)) {
            resolve([event, next]);
            return true;
          }
        }
        return false;
      };
      if (!look()) this.waiting.push(look);
    });
  }
}

const describe = (error) => JSON.stringify(error, (_, value) => (value instanceof Error ? `${value.stack}` : value));
const named = (type) => (event) => event.type === type;

/**
 * @param transport "websocket", or a transport layer of the library
 * @param options   for RealtimeSession.connect
 * @param speak     says a question aloud and resolves when its last sound has left
 * @returns all events of the transport, the items of the history, and what the function was called with
 */
export async function hold(transport, options, speak) {
  const calls = [];
  const clock = tool({
    name: "get_time",
    description: "Tells the time in a city",
    parameters: z.object({ city: z.string() }),
    execute: async (given) => {
      calls.push(given);
      return "a quarter past nine";
    },
  });
  const agent = new RealtimeAgent({ name: "Clerk", instructions: "Be short.", tools: [clock] });
  const session = new RealtimeSession(agent, { transport, tracingDisabled: true });
  const log = new Log(session);
  await session.connect(options);

  await speak();
  let [, next] = await log.until(named("response.done"), 0);

  await speak();
  [, next] = await log.until(named("response.function_call_arguments.done"), next);
  [, next] = await log.until(named("response.done"), next);
  [, next] = await log.until(named("response.done"), next);

  await speak();
  // Over WebSocket the library notices when the answer has ended already; over WebRTC it is told.
  const [, sounding] = await log.until((event) => SOUND.has(event.type), next);
  await speak();
  await log.until((event) => CUT.has(event.type), sounding);
  [, next] = await log.until((event) => event.type === "response.done" && event.response.status === "cancelled", sounding);
  const [, last] = await log.until(named("response.done"), next);

  const history = session.history;
  session.close();
  return { events: log.events.slice(0, last), history, calls };
}

const SOUND = new Set(["response.output_audio.delta", "output_audio_buffer.started"]);
const CUT = new Set(["client.audio_interrupted", "output_audio_buffer.cleared"]);
