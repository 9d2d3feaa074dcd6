// Holds the conversation over the library's own WebSocket; prints what came of it as JSON.
//   node node.mjs URL QUESTION   (16-bit PCM at 24 kHz)

import { readFile } from "node:fs/promises";
import { OpenAIRealtimeWebSocket } from "@openai/agents-realtime";
import { hold } from "./conversation.mjs";

const [url, file] = process.argv.slice(2);
const FRAME = 40; // ms
const BYTES = (24_000 * 2 * FRAME) / 1000;

const question = await readFile(file);
const transport = new OpenAIRealtimeWebSocket({ useInsecureApiKey: false });

// A microphone never stops: silence goes out while nobody speaks.
let rest = Buffer.alloc(0);
let said = () => {};
const microphone = setInterval(() => {
  if (transport.status !== "connected") return;
  const frame = Buffer.alloc(BYTES);
  rest.copy(frame, 0, 0, BYTES);
  const before = rest.length;
  rest = rest.subarray(BYTES);
  transport.sendAudio(frame.buffer.slice(frame.byteOffset, frame.byteOffset + BYTES));
  if (before && !rest.length) said();
}, FRAME);

const speak = () =>
  new Promise((resolve) => {
    said = resolve;
    rest = question;
  });

const told = await hold(transport, { apiKey: process.env.ANTIPHON_API_KEY ?? "none", url }, speak);
clearInterval(microphone);
console.log(JSON.stringify(told));
