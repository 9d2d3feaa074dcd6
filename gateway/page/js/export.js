/** The session as a file: what was said, and where the time went. */

/** @param {import("./log.js").Log} log */
export function session(log, figures, choices) {
  const entries = log.entries.map(({ kind, text, heard, mark, why, waterfall, ears, tool }) => {
    const entry = { kind, text };
    if (heard !== null) entry.heard = heard;
    if (mark) entry.mark = mark;
    if (why) entry.why = why;
    if (tool) entry.tool = { name: tool.name, arguments: tool.arguments, output: tool.output };
    if (waterfall) entry.waterfall = waterfall;
    if (ears !== null) entry.heard_here_after_ms = ears;
    return entry;
  });
  return { exported_at: new Date().toISOString(), settings: choices, latency: figures.summary(), entries };
}

/** Hand it to the user. */
export function save(log, figures, choices) {
  const text = JSON.stringify(session(log, figures, choices), null, 2);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `antiphon-${new Date().toISOString().replace(/[:.]/g, "-")}.json`;
  link.click();
  URL.revokeObjectURL(url);
}
