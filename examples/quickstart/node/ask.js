// Asks Antiphon one question in writing, and prints the answer while it is spoken.
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const { antiphon } = grpc.loadPackageDefinition(loadSync("antiphon/v1/conversation.proto", { includeDirs: ["../../../protos"] }));
const call = new antiphon.v1.Conversation("localhost:50050", grpc.credentials.createInsecure()).Converse();
call.on("data", (event) => process.stdout.write(event.replyText?.text ?? ""));
call.write({ config: {} });
call.end({ text: { text: "What do bees make?", respond: true } });
call.on("end", () => console.log());
