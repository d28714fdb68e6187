// The connections behind the calls, which grpc-js keeps to itself.
import type { Http2SecureServer, Http2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Server, ServerInterceptingCallInterface } from "@grpc/grpc-js";

export function listenersOf(server: Server): Http2SecureServer[] {
  const listeners = Reflect.get(server, "http2Servers") as Map<Http2SecureServer, unknown> | undefined;
  if (listeners === undefined || listeners.size === 0) throw new Error("grpc-js no longer shows its listeners");
  return [...listeners.keys()];
}

/** Who is at the other end of a connection. */
export interface Peer {
  readonly auth: ReturnType<ServerInterceptingCallInterface["getAuthContext"]>;
  readonly address: string;
}

const peers = new WeakMap<Http2Session, Peer>();

/** grpc-js asks for them at each call, which costs 0.1 ms. A connection of TLS 1.3 has one certificate for its life. */
export function peerOf(call: ServerInterceptingCallInterface): Peer {
  const { session } = Reflect.get(call, "stream") as ServerHttp2Stream;
  const known = session && peers.get(session);
  if (known !== undefined) return known;
  const peer = { auth: call.getAuthContext(), address: call.getPeer() };
  if (session !== undefined && peer.auth.sslPeerCertificate !== undefined) peers.set(session, peer);
  return peer;
}

/**
 * A function that cuts what is connected then. grpc-js ends a session in order even when it is forced to shut down, and one
 * whose client is gone, with something still to be sent to it, never ends so: Node waits for a write that nobody takes.
 */
export function cutterOf(server: Server): () => void {
  const sockets = new Set<Socket>();
  for (const listener of listenersOf(server)) {
    listener.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
  }
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}
