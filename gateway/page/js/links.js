/**
 * What carries a conversation: a WebSocket, or a WebRTC call with its data channel.
 *
 * @typedef {object} Link
 * @property {"websocket" | "webrtc"} kind
 * @property {(event: object) => void} send
 * @property {() => void} close
 * @property {AnalyserNode | null} analyser what a call's answers sound like
 *
 * @typedef {object} Ends
 * @property {(event: any) => void} event
 * @property {(closed: {code: number, reason: string}) => void} closed once, unless `close` was called
 */
import { audio } from "./audio.js";

/** A refusal that the gateway gave before there was a conversation. */
export class Refused extends Error {
  /**
   * @param {number} status of HTTP; 0: nobody answered
   * @param {{message?: string, code?: string}} [error] in the gateway's words
   */
  constructor(status, error = {}) {
    super(error.message ?? "");
    this.status = status;
    this.code = error.code ?? "";
  }
}

function address(path, model) {
  const url = new URL(path, window.location.origin);
  if (model) url.searchParams.set("model", model);
  return url;
}

function bearer(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/**
 * What the gateway says over HTTP.
 * @throws {Refused}
 */
export async function ask(path, key) {
  let response;
  try {
    response = await fetch(path, { headers: bearer(key), cache: "no-store" });
  } catch {
    throw new Refused(0);
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, body.error);
  return body;
}

/**
 * A WebSocket; a browser cannot send headers with it, so a key goes as a subprotocol.
 * @param {{key: string, model: string}} wish
 * @param {Ends} ends
 * @returns {Promise<Link>}
 * @throws {Refused} status -1: it was refused, and a browser does not say why
 */
export async function openSocket({ key, model }, ends) {
  const url = address("/v1/realtime", model);
  url.protocol = url.protocol.replace("http", "ws");
  const protocols = ["realtime"];
  if (key) protocols.push(`openai-insecure-api-key.${key}`);
  let socket;
  try {
    socket = new WebSocket(url, protocols);
  } catch (error) {
    // No subprotocol can be made of it, so it is no key.
    if (error.name === "SyntaxError") throw new Refused(401);
    throw error;
  }
  /** @type {Link} */
  const link = {
    kind: "websocket",
    analyser: null,
    send: (event) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(event));
    },
    close: () => {
      socket.onclose = null;
      socket.onmessage = null;
      socket.close(1000);
    },
  };
  return new Promise((resolve, reject) => {
    socket.onopen = () => {
      socket.onclose = ({ code, reason }) => ends.closed({ code, reason });
      resolve(link);
    };
    socket.onclose = () => reject(new Refused(-1));
    socket.onmessage = ({ data }) => ends.event(JSON.parse(data));
  });
}

/**
 * A WebRTC call.
 * @param {{key: string, model: string, stream: MediaStream | null}} wish
 * @param {Ends} ends
 * @returns {Promise<Link>}
 * @throws {Refused}
 */
export async function openCall({ key, model, stream }, ends) {
  const peer = new RTCPeerConnection();
  const sound = new Audio();
  sound.autoplay = true;
  /** @type {Link} */
  const link = { kind: "webrtc", analyser: null, send: () => {}, close: () => {} };
  if (stream) stream.getAudioTracks().forEach((track) => peer.addTrack(track, stream));
  else peer.addTransceiver("audio", { direction: "recvonly" });
  peer.ontrack = async ({ track }) => {
    const remote = new MediaStream([track]);
    sound.srcObject = remote;
    const context = await audio();
    link.analyser = new AnalyserNode(context, { fftSize: 2048, smoothingTimeConstant: 0.6 });
    context.createMediaStreamSource(remote).connect(link.analyser);
  };
  const channel = peer.createDataChannel("oai-events");
  const opened = new Promise((resolve) => {
    channel.onopen = resolve;
  });
  channel.onmessage = ({ data }) => ends.event(JSON.parse(data));
  await peer.setLocalDescription(await peer.createOffer());

  const response = await fetch(address("/v1/realtime/calls", model), {
    method: "POST",
    headers: { "Content-Type": "application/sdp", ...bearer(key) },
    body: peer.localDescription.sdp,
  }).catch(() => null);
  if (!response?.ok) {
    peer.close();
    const body = await response?.json().catch(() => ({}));
    throw new Refused(response?.status ?? 0, body?.error);
  }
  const call = response.headers.get("Location");
  let over = false;
  const release = () => {
    over = true;
    peer.close();
    sound.srcObject = null;
  };
  const close = async () => {
    if (over) return;
    over = true;
    // Hung up first: a call whose connection has closed is not there any more.
    if (call) await fetch(call, { method: "DELETE", headers: bearer(key), keepalive: true }).catch(() => {});
    release();
  };
  const lost = () => {
    if (over) return;
    release();
    ends.closed({ code: 1006, reason: "" });
  };
  channel.onclose = lost;
  peer.onconnectionstatechange = () => {
    if (peer.connectionState === "failed" || peer.connectionState === "closed") lost();
  };
  link.close = close;
  link.send = (event) => {
    if (channel.readyState === "open") channel.send(JSON.stringify(event));
  };
  await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  await opened;
  return link;
}
