// The answer of a unary call in one piece: grpc-js waits until the message is written before it sends the status, which is
// one more turn of the event loop, one more write, and one more time that the client is woken.
import { type Around, ForwardedCall, type SendMessage } from "./forwarded-call.ts";

/** Streams stay as they are: there the wait is what keeps the server from running ahead of its client. */
export const answeringAtOnce: Around = ({ responseStream }, call) => (responseStream ? call : new UnaryCall(call));

const nothing = (): void => {};

class UnaryCall extends ForwardedCall {
  override sendMessage(...[message, sent]: Parameters<SendMessage>): void {
    super.sendMessage(message, nothing);
    sent();
  }
}
