// The answer of a unary call in one piece: grpc-js waits until the message is written before it sends the status, which is
// one more turn of the event loop, one more write, and one more time that the client is woken.
import { ServerInterceptingCall, type ServerInterceptingCallInterface, type ServerInterceptor } from "@grpc/grpc-js";

/** Streams stay as they are: there the wait is what keeps the server from running ahead of its client. */
export const answeringAtOnce: ServerInterceptor = ({ responseStream }, call) =>
  responseStream ? new ServerInterceptingCall(call) : new UnaryCall(call);

type SendMessage = ServerInterceptingCallInterface["sendMessage"];

class UnaryCall extends ServerInterceptingCall {
  override sendMessage(...[message, sent]: Parameters<SendMessage>): void {
    super.sendMessage(message, () => {});
    sent();
  }
}
