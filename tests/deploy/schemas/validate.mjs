// Validates resources of KEDA, the Prometheus operator and the Gateway API: a JSON array on the standard input, complaints as a
// JSON array on the standard output.
import { stdin, stdout } from "node:process";

const PACKAGES = {
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "keda.sh": "@kubernetes-models/keda",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};

// The schemas say what fields hold and which must be there, but forbid none besides. Whatever a validator never looked at is a
// field that it does not know.
function watched(value, path, unread) {
  if (value === null || typeof value !== "object") return value;
  for (const key of Object.keys(value)) unread.add(`${path}/${key}`);
  return new Proxy(value, {
    get(target, key) {
      const found = Reflect.get(target, key);
      if (typeof key !== "string" || !Object.hasOwn(target, key)) return found;
      unread.delete(`${path}/${key}`);
      return watched(found, `${path}/${key}`, unread);
    },
  });
}

async function complaints(resource) {
  const [group, version] = resource.apiVersion.split("/");
  const name = `${resource.kind}/${resource.metadata.name}`;
  const found = PACKAGES[group];
  if (found === undefined) return [`${name}: there is no schema of ${resource.apiVersion}`];
  let model;
  try {
    model = (await import(`${found}/${group}/${version}/${resource.kind}`))[resource.kind];
  } catch (error) {
    return [`${name}: there is no schema of ${resource.apiVersion} (${error.code})`];
  }
  const unread = new Set();
  try {
    model.prototype.validate.call(watched(resource, "", unread));
  } catch (error) {
    return [`${name}: ${error.message}`];
  }
  return [...unread].map((path) => `${name}: ${path} is no field of it`);
}

let text = "";
for await (const part of stdin) text += part;
const all = await Promise.all(JSON.parse(text).map(complaints));
stdout.write(JSON.stringify(all.flat()));
