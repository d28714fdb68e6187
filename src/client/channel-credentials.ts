// TLS to the server, for grpc-js. Its own credentials always send a server name: for an address there is none to send
// (RFC 6066), Node warns of one that is an address (DEP0123), and takes 5 ms to see that a made-up one is not.
import type { Socket } from "node:net";
import { connect, type SecureContext } from "node:tls";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import type { ServerAddress } from "./profile.ts";
import { checkHost, serverNameOf } from "./server-name.ts";

type SecureConnector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

export class TlsCredentials extends ChannelCredentials {
  readonly #server: ServerAddress;
  readonly #secureContext: SecureContext;

  constructor(server: ServerAddress, secureContext: SecureContext) {
    super();
    this.#server = server;
    this.#secureContext = secureContext;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(
    _target: unknown,
    _options: unknown,
    callCredentials = CallCredentials.createEmpty(),
  ): SecureConnector {
    return {
      connect: async (socket) => ({ socket: await this.#shakeHands(socket), secure: true }),
      waitForReady: async () => {},
      getCallCredentials: () => callCredentials,
      destroy: () => {},
    };
  }

  #shakeHands(socket: Socket): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const secured = connect({
        socket,
        secureContext: this.#secureContext,
        ...serverNameOf(this.#server),
        ALPNProtocols: ["h2"],
        rejectUnauthorized: true,
        checkServerIdentity: (_name, peer) => checkHost(this.#server, peer),
      });
      secured.once("secureConnect", () => resolve(secured));
      secured.on("error", reject);
    });
  }
}
