/** The one audio context of the page, and the two ends of a conversation on it. */

/** @type {AudioContext | null} */
let context = null;
/** @type {Promise<unknown>} */
let modules = Promise.resolve();

/** Base64 of bytes. */
function encode(buffer) {
  const bytes = new Uint8Array(buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode.apply(null, bytes.subarray(i, i + 4096));
  }
  return btoa(text);
}

/** Bytes of base64. */
function decode(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes.buffer;
}

/**
 * The running context. To be called first from a click or a key: browsers start audio for nothing else.
 * @returns {Promise<AudioContext>}
 */
export async function audio() {
  if (context === null || context.state === "closed") {
    const opened = new AudioContext({ latencyHint: "interactive" });
    context = opened;
    modules = Promise.all(
      ["capture", "playback"].map((name) =>
        opened.audioWorklet.addModule(new URL(`./${name}-worklet.js`, import.meta.url)),
      ),
    );
  }
  if (context.state === "suspended") await context.resume();
  await modules;
  return context;
}

/** The user's microphone. */
export class Microphone {
  /**
   * @param {MediaStream} stream
   * @param {AudioContext} context
   * @param {(audio: string, at: number) => void} heard base64 of PCM16 at 24 kHz, 40 ms of it, and when it was taken
   * @param {() => void} lost the device is gone
   */
  constructor(stream, context, heard, lost) {
    this.stream = stream;
    /** Nothing at all is sent: between two turns of push to talk. */
    this.resting = false;
    this.analyser = new AnalyserNode(context, { fftSize: 2048, smoothingTimeConstant: 0.6 });
    this.source = context.createMediaStreamSource(stream);
    this.node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    this.source.connect(this.node);
    this.source.connect(this.analyser);
    this.node.port.onmessage = ({ data }) => {
      if (!this.resting) heard(encode(data.frame), performance.now());
    };
    stream.getAudioTracks()[0].onended = lost;
  }

  /**
   * Ask for it.
   * @throws {DOMException} NotAllowedError, NotFoundError and others of getUserMedia
   */
  static async open(heard, lost) {
    if (!navigator.mediaDevices) throw new DOMException("no secure page", "SecurityError");
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
    return new Microphone(stream, await audio(), heard, lost);
  }

  /** Silence for the gateway, which hears an utterance end by it; the device stays open. */
  mute(muted) {
    for (const track of this.stream.getAudioTracks()) track.enabled = !muted;
  }

  close() {
    this.node.port.onmessage = null;
    this.source.disconnect();
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
  }
}

/** Plays answers and knows what of them was really heard. */
export class Speaker {
  /** @param {AudioContext} context */
  constructor(context) {
    this.context = context;
    this.item = null;
    this.analyser = new AnalyserNode(context, { fftSize: 2048, smoothingTimeConstant: 0.6 });
    this.node = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.node.connect(this.analyser).connect(context.destination);
    this.node.port.onmessage = ({ data }) => this.#told(data);
    /** @type {(item: string, at: number) => void} when it began to sound, on the page's clock */
    this.onbegan = () => {};
    /** @type {() => void} */
    this.onsilent = () => {};
    this.received = new Map();
    /** @type {((stopped: object | null) => void) | null} */
    this.stopping = null;
    this.sounding = false;
  }

  static async open() {
    return new Speaker(await audio());
  }

  /** One piece of an item: base64 of PCM16 at 24 kHz. */
  play(item, text) {
    const samples = decode(text);
    this.received.set(item, (this.received.get(item) ?? 0) + samples.byteLength / 48);
    this.sounding = true;
    this.node.port.postMessage({ push: item, samples }, [samples]);
  }

  /** No more of it will come. */
  end(item) {
    this.node.port.postMessage({ end: item });
  }

  /** Quieter while the user may be saying something, and back. */
  duck(ducked) {
    this.node.port.postMessage({ gain: ducked ? 0.2 : 1 });
  }

  /**
   * Silence at once.
   * @returns {Promise<{item: string, heard: number, received: number} | null>} what was playing, in milliseconds; whoever
   *   asks while it is being stopped is told nothing
   */
  stop() {
    this.duck(false);
    if (!this.sounding || this.stopping) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.stopping = resolve;
      this.node.port.postMessage({ stop: true });
    });
  }

  close() {
    this.node.port.onmessage = null;
    this.node.disconnect();
  }

  /** Milliseconds between the worklet and the ear, as far as the browser knows. */
  get latency() {
    return 1000 * (this.context.outputLatency || this.context.baseLatency || 0);
  }

  #told(data) {
    if (data.drained !== undefined) {
      this.received.delete(data.drained);
      if (this.received.size === 0) this.#silent();
    } else if (data.stopped !== undefined) {
      const received = this.received.get(data.stopped) ?? 0;
      const heard = Math.max(0, data.played - this.latency);
      this.received.clear();
      this.#silent();
      const stopped = data.stopped === null || received === 0 ? null : { item: data.stopped, heard, received };
      this.stopping(stopped);
      this.stopping = null;
    } else {
      if (data.item !== null && data.item !== this.item && data.played > 0) {
        this.item = data.item;
        this.onbegan(data.item, performance.now() - data.played + this.latency);
      }
    }
  }

  #silent() {
    this.sounding = false;
    this.onsilent();
  }
}
