// What the client's bundle has in place of all of @grpc/grpc-js (scripts/build.mjs): no server, no protobuf.js, and of its
// name resolvers and load balancers those that a client of podium can come to.

// The first, as in grpc-js itself: its modules import each other in circles.
import "@grpc/grpc-js/build/src/channel.js";

import { CallCredentials } from "@grpc/grpc-js/build/src/call-credentials.js";
import { ChannelCredentials } from "@grpc/grpc-js/build/src/channel-credentials.js";
import { Client } from "@grpc/grpc-js/build/src/client.js";
import { Status as status } from "@grpc/grpc-js/build/src/constants.js";
import { setup as pickFirst } from "@grpc/grpc-js/build/src/load-balancer-pick-first.js";
import { makeClientConstructor as makeGenericClientConstructor } from "@grpc/grpc-js/build/src/make-client.js";
import { Metadata } from "@grpc/grpc-js/build/src/metadata.js";
import { setup as dnsNames } from "@grpc/grpc-js/build/src/resolver-dns.js";
import { setup as addresses } from "@grpc/grpc-js/build/src/resolver-ip.js";

dnsNames();
addresses();
pickFirst();

export { CallCredentials, ChannelCredentials, Client, Metadata, makeGenericClientConstructor, status };
