import Balancing
import EnvoyAPI
import GRPCTransport
import Model
import XDS

// All rules that the suite checks. To add a rule, add a case: it is run in all of its forms.

private let cds = TypeURL.cluster
private let eds = TypeURL.clusterLoadAssignment
private let lds = TypeURL.listener
private let rds = TypeURL.routeConfiguration
private let protocolPage = "Envoy, xDS protocol"
private let discoveryProto = "Envoy, discovery.proto"

extension Trial {
    /// Creates a client that has ACKed the endpoints of these services.
    fileprivate func client(with names: [ResourceName]) async throws -> (Probe, DecodedResponse) {
        let client = try client()
        await client.subscribe(eds, names)
        return (client, try await client.take(eds))
    }

    fileprivate var isSotW: Bool { form.variant == .sotw }
}

extension Case {
    static let all: [Case] = [
        Case(.answers, "nonces", "Every response has a nonce of its own.", source: protocolPage) { trial in
            let name = try await trial.mesh.add()
            let (client, first) = try await trial.client(with: [name])
            try await trial.mesh.change(name)
            let second = try await client.next(eds)
            try expect(!first.nonce.isEmpty && first.nonce != second.nonce, "nonces: \(first.nonce), \(second.nonce)")
        },
        Case(.answers, "ack", "An ACK is not answered.", source: protocolPage) { trial in
            let (client, _) = try await trial.client(with: [try await trial.mesh.add()])
            try await client.hearsNothing("an ACK was answered")
        },
        Case(
            .answers, "ack-and-change", "A request that ACKs and adds a name is answered with that name.",
            source: protocolPage
        ) {
            trial in
            let (one, other) = (try await trial.mesh.add(), try await trial.mesh.add())
            let client = try trial.client()
            await client.subscribe(eds, [one])
            await client.acknowledge(try await client.next(eds), adding: [other])
            try await client.expectNext(eds, [other])
        },
        Case(
            .answers, "stale-nonce", "A request with a stale nonce is not answered; the next current one is.",
            source: protocolPage,
            only: { $0.variant == .sotw }
        ) { trial in
            let (one, other) = (try await trial.mesh.add(), try await trial.mesh.add())
            let (client, first) = try await trial.client(with: [one])
            try await trial.mesh.change(one)
            let second = try await client.next(eds)
            await client.subscribe(eds, [other], staleNonce: first.nonce)
            try await client.hearsNothing("a stale request was answered")
            await client.acknowledge(second)
            try await client.expectNext(eds, [other])
        },
        Case(
            .answers, "stale-nonce-delta", "A request with an unknown nonce still changes the subscription.",
            source: protocolPage,
            only: { $0.variant == .delta }
        ) { trial in
            let (one, other) = (try await trial.mesh.add(), try await trial.mesh.add())
            let (client, _) = try await trial.client(with: [one])
            await client.subscribe(eds, [other], staleNonce: "of-an-earlier-stream")
            try await client.expectNext(eds, [other])
        },
        Case(
            .answers, "nack", "A refused response is not sent again; the next content is.",
            source: "envoyproxy/go-control-plane 46, 794"
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(eds, [name])
            await client.reject(try await client.next(eds))
            try await client.hearsNothing("a NACK was answered")
            try await trial.mesh.change(name)
            try await client.expectNext(eds, [name])
        },
        Case(
            .subscriptions, "again", "A name that is dropped and wanted again is sent again, though unchanged.",
            source: protocolPage
        ) {
            trial in
            let name = try await trial.mesh.add()
            let (client, _) = try await trial.client(with: [name])
            await client.unsubscribe(eds, [name])
            await client.subscribe(eds, [name])
            try await client.expectNext(eds, [name])
        },
        Case(
            .subscriptions, "again-delta", "A name that is wanted twice is sent twice.", source: discoveryProto,
            only: { $0.variant == .delta }
        ) { trial in
            let name = try await trial.mesh.add()
            let (client, _) = try await trial.client(with: [name])
            await client.subscribe(eds, [name])
            try await client.expectNext(eds, [name])
        },
        Case(
            .subscriptions, "unsubscribed",
            "What a client no longer wants is not sent; dropping what it never wanted is ignored.",
            source: protocolPage
        ) { trial in
            let (one, other) = (try await trial.mesh.add(), try await trial.mesh.add())
            let (client, _) = try await trial.client(with: [one, other])
            await client.unsubscribe(eds, [one, "never-wanted"])
            // The response shows that everything before it has been read.
            let third = try await trial.mesh.add()
            await client.subscribe(eds, [third])
            _ = try await client.take(eds)
            try await trial.mesh.change(one)
            try await client.hearsNothing("a dropped name was sent")
            try await trial.mesh.change(other)
            try await client.expectNext(eds, [other])
        },
        Case(.subscriptions, "absent", "A name that doesn't exist is told.", source: "\(protocolPage); xRFC TP3") {
            trial in
            let name = await trial.mesh.newName()
            let client = try trial.client()
            await client.subscribe(eds, [name])
            let told = try await client.take(eds)
            let isTold = trial.isSotW ? told.errors[name.rawValue] != nil : told.removed == [name.rawValue]
            try expect(isTold, "sent \(told.names), removed \(told.removed), errors \(told.errors)")
        },
        Case(
            .subscriptions, "absent-later", "A name that doesn't exist is sent as soon as it does.",
            source: protocolPage
        ) { trial in
            let name = await trial.mesh.newName()
            let client = try trial.client()
            await client.subscribe(eds, [name])
            try await Task.sleep(for: .milliseconds(100))
            try await trial.mesh.set(name, to: ["10.9.9.9:80"])
            var response = try await client.take(eds)
            // A SotW server may first send an empty assignment for a name that doesn't exist.
            while try response.resources.first.map({ try DecodedAssignment($0.content).localities.isEmpty }) ?? true {
                response = try await client.take(eds)
            }
            try expect(response.names == [name], "sent \(response.names)")
        },
        Case(
            .subscriptions, "empty-eds", "An empty first request for endpoints wants nothing.", source: protocolPage
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(eds)
            try await trial.mesh.change(name)
            try await client.hearsNothing("endpoints were sent")
        },
        Case(
            .subscriptions, "start-over", "A request without a nonce, after answers, starts over: all is sent again.",
            source: discoveryProto, only: { $0.variant == .sotw }
        ) { trial in
            let name = try await trial.mesh.add()
            let (client, _) = try await trial.client(with: [name])
            await client.subscribe(eds, [name], staleNonce: "")
            try await client.expectNext(eds, [name])
        },
        Case(
            .subscriptions, "opaque-names", "Names are opaque: one in `xdstp://` form is a name like any other.",
            source: "\(protocolPage); xRFC TP1"
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(
                eds, [name, "xdstp://authority/envoy.config.endpoint.v3.ClusterLoadAssignment/a?b=c"])
            let names = try await client.next(eds).names
            try expect(names.contains(name), "sent \(names)")
        },
        Case(
            .answers, "interleaved", "Types on one stream have answers of their own, in any order.",
            source: protocolPage,
            only: \.isAggregated
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(eds, [name])
            await client.subscribe(rds, [name])
            let (endpoints, routes) = (try await client.next(eds), try await client.next(rds))
            await client.reject(routes)
            await client.acknowledge(endpoints)
            try await client.hearsNothing("an answer to one type was taken for another's")
            try await trial.mesh.change(name)
            try await client.expectNext(eds, [name])
        },
        Case(
            .badRequests, "unknown-fields", "Fields that the server doesn't know are ignored.",
            source: "\(discoveryProto), resource_locators"
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            let (request, locators): (DiscoveryRequest, UInt8) =
                trial.isSotW
                ? (.sotw(SotWRequest(names: [name])), 7) : (.delta(DeltaRequest(subscribe: [name])), 8)
            await client.send(request.encoded(type: eds.rawValue) + [locators << 3 | 2, 3, 0x0a, 1, 0x78], on: eds)
            try await client.expectNext(eds, [name])
        },
        Case(
            .wildcards, "wildcard-legacy", "An empty first request for clusters wants all of them.",
            source: protocolPage
        ) {
            trial in
            _ = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(cds)
            let names = Set(try await client.next(cds).names.map(\.rawValue))
            let services = Set(await trial.mesh.services.keys)
            try expect(services.isSubset(of: names), "not sent: \(services.subtracting(names).sorted())")
        },
        Case(.wildcards, "wildcard", "`*` wants all clusters, also those that come later.", source: protocolPage) {
            trial in
            let client = try trial.client()
            await client.subscribe(cds, ["*"])
            try await client.take(cds)
            let name = try await trial.mesh.add()
            let names = try await client.next(cds).names
            try expect(names.contains(name), "sent \(names)")
        },
        Case(.wildcards, "wildcard-and-names", "Names beside `*` stay when `*` goes.", source: protocolPage) { trial in
            let (one, other) = (try await trial.mesh.add(), try await trial.mesh.add())
            let client = try trial.client()
            await client.subscribe(cds, ["*", one])
            try await client.take(cds)
            await client.unsubscribe(cds, ["*"])
            // A SotW server may or may not respond with the remaining resources.
            try await Task.sleep(for: .milliseconds(100))
            guard try await trial.mesh.subject.changeClusters(true) else {
                throw NotTriable(reason: "the server's clusters can't be changed")
            }
            var names: [ResourceName] = []
            while !names.contains(one) { names = try await client.take(cds).names }
            try expect(!names.contains(other), "sent \(names)")
            _ = try await trial.mesh.subject.changeClusters(false)
        },
        Case(
            .wildcards, "wildcard-dropped-name", "Dropping a name that `*` still covers is answered with it.",
            source: protocolPage,
            only: { $0.variant == .delta }
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(cds, ["*", name])
            try await client.take(cds)
            await client.unsubscribe(cds, [name])
            let names = try await client.next(cds).names
            try expect(names == [name], "sent \(names)")
        },
        Case(
            .wildcards, "named-then-none", "An empty request after names wants nothing, not all.", source: protocolPage
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(cds, [name])
            try await client.take(cds)
            await client.unsubscribe(cds, [name])
            _ = try await trial.mesh.add()
            // A SotW server may respond with the now empty set.
            let response = try? await client.next(within: .milliseconds(300))
            try expect(response?.names.isEmpty != false, "sent \(response?.names ?? [])")
        },
        Case(
            .content, "whole", "A response for clusters carries all that the client wants.", source: protocolPage,
            only: { $0.variant == .sotw }
        ) { trial in
            let (one, other) = (try await trial.mesh.add(), try await trial.mesh.add())
            let client = try trial.client()
            await client.subscribe(cds, [one])
            await client.acknowledge(try await client.next(cds), adding: [other])
            let names = try await client.next(cds).names
            try expect(names.sorted() == [one, other].sorted(), "sent \(names)")
        },
        Case(.content, "changed-only", "A response for endpoints carries what changed only.", source: protocolPage) {
            trial in
            let (one, other) = (try await trial.mesh.add(), try await trial.mesh.add())
            let (client, _) = try await trial.client(with: [one, other])
            try await trial.mesh.change(one)
            try await client.expectNext(eds, [one])
        },
        Case(.content, "removal", "A cluster that goes is absent (SotW) or removed (delta).", source: protocolPage) {
            trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(cds, ["*"])
            try await client.take(cds)
            try await trial.mesh.set(name, to: nil)
            let response = try await client.next()
            let isGone = trial.isSotW ? !response.names.contains(name) : response.removed == [name.rawValue]
            try expect(isGone, "sent \(response.names), removed \(response.removed)")
        },
        Case(
            .content, "drained", "A service without endpoints is an empty assignment, not a removed one.",
            source: "Envoy 1.40: a removal leaves the hosts"
        ) { trial in
            let name = try await trial.mesh.add()
            let (client, _) = try await trial.client(with: [name])
            try await trial.mesh.set(name, to: [])
            let response = try await client.next(eds)
            try expect(response.names == [name] && response.removed.isEmpty, "removed \(response.removed)")
            let localities = try DecodedAssignment(response.resources[0].content).localities
            try expect(localities.isEmpty, "sent \(localities)")
        },
        Case(.content, "types", "A response's type is its resources' type.", source: discoveryProto) { trial in
            let name = try await trial.mesh.add()
            for type in [cds, eds] {
                let client = try trial.client()
                await client.subscribe(type, [name])
                let response = try await client.next(type)
                try expect(
                    response.resources.allSatisfy { $0.type == type.rawValue }, "\(response.resources.map(\.type))")
                await client.close()
            }
        },
        Case(
            .content, "versions", "Equal content has the same version on every stream; other content has another.",
            source: protocolPage
        ) { trial in
            let name = try await trial.mesh.add()
            let version = { () async throws -> String in
                let client = try trial.client()
                await client.subscribe(eds, [name])
                let response = try await client.next(eds)
                await client.close()
                return trial.isSotW ? response.version : response.resources.first?.version ?? ""
            }
            let (first, second) = (try await version(), try await version())
            try await trial.mesh.change(name)
            let third = try await version()
            try expect(!first.isEmpty && first == second && first != third, "versions: \(first), \(second), \(third)")
        },
        Case(
            .resumption, "resume-delta", "Of what a client still holds, the difference is sent, and no more.",
            source: discoveryProto,
            only: { $0.variant == .delta }
        ) { trial in
            let names = [try await trial.mesh.add(), try await trial.mesh.add(), await trial.mesh.newName()]
            let (client, held) = try await trial.client(with: names)
            await client.close()
            try await trial.mesh.change(names[1])
            var versions = Dictionary(uniqueKeysWithValues: zip(held.names, held.resources.map(\.version)))
            versions[names[2]] = "0123456789abcdef"
            let returning = try trial.client()
            await returning.subscribe(eds, names, holding: versions)
            let response = try await returning.next(eds)
            try expect(response.names == [names[1]], "sent \(response.names)")
            try expect(response.removed == [names[2].rawValue], "removed \(response.removed)")
        },
        Case(
            .resumption, "resume", "A client that has everything is sent nothing until something changes.",
            source: "\(protocolPage); versions are of content", only: { $0.variant == .sotw }
        ) { trial in
            let name = try await trial.mesh.add()
            let (client, held) = try await trial.client(with: [name])
            await client.close()
            let returning = try trial.client()
            returning.bring(eds, version: held.version)
            await returning.subscribe(eds, [name])
            try await returning.hearsNothing("something was sent again")
            try await trial.mesh.change(name)
            try await returning.expectNext(eds, [name])
        },
        Case(
            .order, "order", "Clusters come before their endpoints, and those before routes.", source: protocolPage,
            only: \.isAggregated
        ) { trial in
            let client = try trial.client()
            let name = await trial.mesh.newName()
            for type in [rds, eds, cds] { await client.subscribe(type, type == cds ? ["*"] : [name]) }
            try await Task.sleep(for: .milliseconds(200))
            while let response = try? await client.next(within: .milliseconds(100)) {
                await client.acknowledge(response)
            }
            try await trial.mesh.set(name, to: ["10.8.8.8:80"])
            let types = [try await client.next(), try await client.next(), try await client.next()].map(\.type)
            try expect(types == [cds, eds, rds].map(\.rawValue), "the order was \(types)")
        },
        Case(
            .order, "warming", "After a changed cluster its endpoints come again, unchanged; nothing waits for an ACK.",
            source: "Envoy 1.40; hashicorp/consul 15083", only: \.isAggregated
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(cds, [name])
            try await client.take(cds)
            await client.subscribe(eds, [name])
            try await client.take(eds)
            guard try await trial.mesh.subject.changeClusters(true) else {
                throw NotTriable(reason: "the server's clusters can't be changed")
            }
            _ = try await client.next(cds)
            try await client.expectNext(eds, [name])
            _ = try await trial.mesh.subject.changeClusters(false)
        },
        Case(
            .order, "no-gate", "A client that doesn't answer for clusters still gets endpoints.", source: "Envoy 1.40",
            only: \.isAggregated
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(cds, [name])
            _ = try await client.next(cds)
            await client.subscribe(eds, [name])
            try await client.take(eds)
            try await trial.mesh.change(name)
            try await client.expectNext(eds, [name])
        },
        Case(
            .badRequests, "unknown-type", "A type that the server doesn't have ends nothing.",
            source: "istio/istio, unknown types",
            only: \.isAggregated
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(TypeURL(rawValue: "type.googleapis.com/no.such.Type"), ["x"])
            await client.subscribe(eds, [name])
            var response = try await client.next()
            if response.type != eds.rawValue { response = try await client.next() }
            try expect(response.names == [name], "sent \(response.names)")
        },
        Case(.content, "identifier", "Responses say which control plane sent them.", source: discoveryProto) { trial in
            let (client, response) = try await trial.client(with: [try await trial.mesh.add()])
            try expect(!response.controlPlane.isEmpty, "there is no control_plane.identifier")
        },
        Case(
            .subscriptions, "many-names", "A subscription of 10,000 names is answered.",
            source: "projectcontour/contour"
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client()
            await client.subscribe(eds, [name] + (0..<10_000).map { ResourceName(rawValue: "absent-\($0)") })
            let names = try await client.next(eds).names
            try expect(names.contains(name), "\(name) was not among \(names.count) names")
        },
        Case(
            .badRequests, "garbage", "Bytes that are no request end their own stream, with a status.", source: "Ballast"
        ) { trial in
            let name = try await trial.mesh.add()
            let (good, _) = try await trial.client(with: [name])
            let bad = try trial.client()
            await bad.send([0x0a, 0xff, 0xff, 0xff, 0x7f, 0x00], on: eds)
            let status = try await bad.end()
            try expect(status.code != .ok, "the stream ended with \(status)")
            try await trial.mesh.change(name)
            try await good.expectNext(eds, [name])
        },
        Case(
            .grpc, "grpc", "gRPC's chain is served: a listener, its routes, their cluster, its endpoints.",
            source: "gRFC A27",
            only: { $0.variant == .sotw }
        ) { trial in
            let name = try await trial.mesh.add()
            let client = try trial.client(.grpc)
            for type in [lds, rds, cds, eds] {
                await client.subscribe(type, [name])
                let names = try await client.take(type).names
                try expect(names == [name], "\(type): \(names)")
            }
        },
        Case(
            .grpc, "grpc-endpoints", "For gRPC every locality has a weight, and its endpoints weigh the same.",
            source: "gRFC A27, A42", only: { $0.variant == .sotw }
        ) { trial in
            let name = try await trial.mesh.add(pods: 5)
            let client = try trial.client(.grpc)
            await client.subscribe(eds, [name])
            let localities = try DecodedAssignment(try await client.next(eds).resources[0].content).localities
            try expect(!localities.isEmpty, "no localities")
            for locality in localities {
                try expect(locality.weight ?? 0 > 0, "a locality without a weight")
                try expect(Set(locality.endpoints.map(\.weight)).count == 1, "unequal weights in a locality")
            }
        },
    ]
}
