import Discovery
import Foundation
@testable import KubernetesClient
@testable import KubernetesDiscovery
import Model
import NIOCore
import Synchronization
import TestBench
import Testing
import TestSupport

/// What a real server without watch-list says.
private let recordedRefusal = (try? recorded("watch-list.jsonl")) ?? "no recording"

/// How the source keeps up, over HTTP/2 and TLS.
@Suite struct WatchTests {
    private func fill(_ server: APIServer) {
        server.putSlice("one", of: "httpbin", in: "n", [.init("a", "10.0.0.1"), .init("b", "10.0.0.2")])
        server.putSlice("two", of: "httpbin", in: "n", [.init("c", "10.0.0.3")])
        server.putSlice("else", of: "other", in: "n", [.init("z", "10.0.9.9")])
    }

    /// Lists of slices, without watches.
    private func lists(_ server: APIServer) -> Int { server.requests.count { !$0.isWatch } }

    /// Whether it has been asked for what comes after a list.
    private func isWatching(_ server: APIServer) -> Bool {
        server.requests.last?.isWatch == true && server.requests.last?.query["resourceVersion"] != nil
            && server.watchCount > 0
    }

    @Test func `what exists is reported, and what changes; a watch's deletes are evidence`() async throws {
        try await watching(before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("all slices of the service") { reports.names("httpbin") == ["a", "b", "c"] }
            #expect(reports.now.pods?.keys.sorted() == ["httpbin"])
            server.putSlice("two", of: "httpbin", in: "n", [.init("c", "10.0.0.3"), .init("d", "10.0.0.4")])
            try await eventually("one more") { reports.names("httpbin") == ["a", "b", "c", "d"] }
            server.delete("endpointslices", "n", "one")
            try await eventually("a slice less") { reports.names("httpbin") == ["c", "d"] }
            #expect(reports.now.lastEvidence == .deletes)
            let origin = await watched.source.origins(of: "httpbin")["d"]
            #expect(origin?.object == "EndpointSlice n/two")
            #expect(origin?.version != nil)
        }
    }

    @Test func `pods with a sidecar are told from the others, whichever comes first`() async throws {
        let tls = ["security.istio.io/tlsMode": "istio"]
        try await watching(
            "{kubeconfig: config, services: {httpbin: {namespace: n}}, sidecars: true}",
            before: { server, _ in
                fill(server)
                server.putPod("a", in: "n", labels: tls)
                server.putPod("b", in: "n", labels: [:])
                server.putPod("c", in: "elsewhere", labels: tls)
            }
        ) { watched in
            let (server, reports) = (watched.server, watched.reports)
            let sidecars = {
                (reports.now.pods?["httpbin"] ?? []).filter { $0.metadata == .istioSidecar }.map(\.name).sorted()
            }
            try await eventually("all pods") { reports.names("httpbin") == ["a", "b", "c"] }
            #expect(sidecars() == ["a"], "known before anything is reported")
            #expect(
                server.requests.first { $0.path == "/api/v1/namespaces/n/pods" }?.headers["accept"]?
                    .contains("as=PartialObjectMetadata") == true)
            server.putPod("c", in: "n", labels: tls)
            try await eventually("one more") { sidecars() == ["a", "c"] }
            server.putPod("a", in: "n", labels: [:])
            try await eventually("one less") { sidecars() == ["c"] }
            server.putPod("d", in: "n", labels: tls)
            server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("the pod before its slice") { sidecars() == ["c", "d"] }
            #expect(reports.names("httpbin") == ["a", "b", "c", "d"])
        }
    }

    @Test func `initial events that break off are asked for again, from the beginning`() async throws {
        let bookmark = #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"150"}}}"# + "\n"
        try await watching(before: { server, _ in
            fill(server)
            server.fail(.watch, .breaksAfter(bookmark))
            server.fail(.watch, .says(bookmark))
        }) { watched in
            try await eventually("synced") { watched.reports.names("httpbin").count == 3 }
            #expect(
                watched.server.requests.allSatisfy {
                    $0.query["resourceVersion"] == nil || $0.query["resourceVersion"] != "150"
                })
        }
    }

    @Test func `pods whose port can't be found are not gone`() async throws {
        try await watching(
            "{kubeconfig: config, services: {httpbin: {namespace: n, port: http}}}",
            before: { server, _ in fill(server) }
        ) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("synced") { reports.names("httpbin").count == 3 }
            for (slice, pod) in [("one", "a"), ("two", "c")] {
                server.putSlice(
                    slice, of: "httpbin", in: "n", [.init(pod, "10.0.0.\(pod == "a" ? 1 : 3)")], ports: [("web", 80)])
            }
            try await eventually("none can be used") { reports.names("httpbin").isEmpty }
            #expect(reports.now.lastEvidence == SourceUpdate.Evidence.none, "so the guard holds them")
            try await eventually("and it says why") { reports.now.problems.count == 2 }
            #expect(
                reports.now.problems[0] == "EndpointSlice n/one is left out: it has no TCP port http; it has: web (80)")
        }
    }

    @Test func `a server with watch-list is never asked for a list`() async throws {
        try await watching(before: { server, _ in fill(server) }) { watched in
            try await eventually("synced") { watched.reports.names("httpbin").count == 3 }
            #expect(lists(watched.server) == 0)
            #expect(watched.server.requests.first?.query["sendInitialEvents"] == "true")
            #expect(watched.server.requests.first?.query["resourceVersionMatch"] == "NotOlderThan")
        }
    }

    @Test(arguments: [
        APIServer.Fault.says(recordedRefusal),
        .status(422, APIServer.status(422, "Invalid", "sendInitialEvents is forbidden for watch")),
        .status(400, APIServer.status(400, "BadRequest", "unknown parameter")),
        .says(""),
    ])
    func `a server without watch-list is listed, and then watched`(_ refusal: APIServer.Fault) async throws {
        #expect(recordedRefusal.contains("required storage feature"))
        try await watching(
            before: { server, _ in
                fill(server)
                server.set { $0.hasWatchList = false }
                server.fail(.watch, refusal)
            }
        ) { watched in
            try await eventually("synced") { watched.reports.names("httpbin").count == 3 }
            #expect(watched.reports.now.failures.isEmpty)
            #expect(lists(watched.server) == 1)
            watched.server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("the watch goes on from the list") { watched.reports.names("httpbin").count == 4 }
            let watch = watched.server.requests.last
            #expect(watch?.query["resourceVersion"]?.isEmpty == false)
            #expect(watch?.query["allowWatchBookmarks"] == "true")
        }
    }

    private var noWatchList: APIServer.Options {
        var options = APIServer.Options()
        options.hasWatchList = false
        return options
    }

    @Test func `a long list comes in pages`() async throws {
        try await watching(
            options: noWatchList,
            before: { server, _ in
                for index in 0..<1_200 {
                    server.putSlice(
                        "s\(index)", of: "httpbin", in: "n",
                        [.init("p\(index)", "10.1.\(index / 250).\(index % 250 + 1)")])
                }
            }
        ) { watched in
            try await eventually("all of them") { watched.reports.names("httpbin").count == 1_200 }
            let pages = watched.server.requests.filter { !$0.isWatch }
            #expect(pages.count == 3)
            #expect(pages.map { $0.query["limit"] } == ["500", "500", "500"])
            #expect(watched.reports.now.wholes == 1, "told once, when it is complete")
        }
    }

    @Test func `where the pages expire, everything is listed in one piece`() async throws {
        try await watching(
            options: noWatchList,
            before: { server, _ in
                server.set { $0.expiresPages = true }
                for index in 0..<600 {
                    server.putSlice(
                        "s\(index)", of: "httpbin", in: "n",
                        [.init("p\(index)", "10.1.\(index / 250).\(index % 250 + 1)")])
                }
            }
        ) { watched in
            try await eventually("all of them") { watched.reports.names("httpbin").count == 600 }
            #expect(watched.server.requests.last { !$0.isWatch }?.query["limit"] == nil)
            #expect(watched.reports.now.failures.isEmpty)
        }
    }

    @Test func `a watch that the server ends is taken up where it was, without a list`() async throws {
        try await watching(options: noWatchList, before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("synced") { reports.names("httpbin").count == 3 }
            try await eventually("watching") { isWatching(server) }
            server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("seen") { reports.names("httpbin").count == 4 }
            let watches = server.requests.count
            await server.disconnectAll()
            server.putSlice("four", of: "httpbin", in: "n", [.init("e", "10.0.0.5")])
            try await eventually("what came meanwhile") { reports.names("httpbin").count == 5 }
            #expect(lists(server) == 1)
            #expect(server.requests.count > watches)
            try await eventually("it is well again") { reports.now.failure == nil }
        }
    }

    @Test func `a bookmark moves the point to resume from`() async throws {
        try await watching(options: noWatchList, before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { isWatching(server) }
            let before = try #require(server.requests.last?.query["resourceVersion"].flatMap { Int($0) })
            // Others' objects change, and none of ours.
            for index in 0..<5 { server.putSlice("x\(index)", of: "else", in: "m", []) }
            let confirmations = reports.now.confirmations
            server.bookmark()
            try await eventually("the bookmark came") { reports.now.confirmations > confirmations }
            let count = server.requests.count
            await server.disconnectAll()
            try await eventually("asked again") { server.requests.count > count }
            #expect(server.requests[count].query["resourceVersion"].flatMap { Int($0) } == before + 6)
            #expect(lists(server) == 1)
            #expect(reports.names("httpbin") == ["a", "b", "c"])
        }
    }

    @Test(arguments: [true, false])
    func `after 410 everything is listed again, and the old set stays until that is complete`(
        asStatus: Bool
    ) async throws {
        try await watching(options: noWatchList, before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { reports.names("httpbin").count == 3 && isWatching(server) }
            if asStatus {
                server.fail(.watch, .status(410, APIServer.status(410, "Expired", "too old resource version")))
            }
            server.forget("endpointslices", "n", "two")
            await server.disconnectAll()
            try await eventually("listed again") { reports.names("httpbin") == ["a", "b"] }
            #expect(reports.now.lastEvidence == SourceUpdate.Evidence.none, "a list proves nothing about what it lacks")
            #expect(lists(server) == 2)
            #expect(!reports.now.history.contains { $0.service == "httpbin" && $0.names.isEmpty }, "no flap")
        }
    }

    @Test func `a storage that went back in time is listed again`() async throws {
        try await watching(options: noWatchList, before: { server, _ in fill(server) }) { watched in
            try await eventually("watching") { isWatching(watched.server) }
            watched.server.fail(.watch, .status(504, try recorded("list-future.json")))
            await watched.server.disconnectAll()
            try await eventually("listed again") { lists(watched.server) == 2 }
            #expect(watched.reports.names("httpbin").count == 3)
        }
    }

    @Test func `403 is reported with the RBAC rule that is missing`() async throws {
        try await watching(before: { server, _ in
            for _ in 0..<2 { server.fail(.any, .status(403, try recorded("anonymous.json"))) }
            fill(server)
        }) { watched in
            try await eventually("it works once it is granted") { watched.reports.names("httpbin").count == 3 }
            let sentence = try #require(watched.reports.now.failures.first)
            #expect(sentence.contains(#"User "system:anonymous" cannot list resource "endpointslices""#))
            #expect(
                sentence.contains(
                    #"a Role in namespace n with the rule {apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]}"#
                ))
        }
    }

    @Test func `429 and 5xx are waited out, as long as the server asks, and the state stays`() async throws {
        try await watching(options: noWatchList, before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { isWatching(server) }
            server.fail(
                .watch,
                .status(429, APIServer.status(429, "TooManyRequests", "slow down"), headers: [("Retry-After", "1")]))
            server.fail(.watch, .status(503, APIServer.status(503, "ServiceUnavailable", "restarting")))
            let count = server.requests.count
            await server.disconnectAll()
            try await eventually("asked") { server.requests.count > count }
            let asked = ContinuousClock.now
            try await eventually("stale") {
                reports.now.failure?.contains("too many requests at the moment (429); it is asked again after the 1 s")
                    == true
            }
            #expect(reports.names("httpbin").count == 3)
            try await eventually("asked again") { server.requests.count > count + 1 }
            #expect(ContinuousClock.now - asked >= .milliseconds(900), "not before the second that it asked for")
            server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("it goes on") { reports.names("httpbin").count == 4 && reports.now.failure == nil }
            #expect(reports.now.failures.contains { $0.contains("restarting (503)") })
            #expect(lists(server) == 1)
        }
    }

    @Test(arguments: [
        (
            "an ERROR event",
            APIServer.Fault.says(
                #"{"type":"ERROR","object":\#(APIServer.status(500, "InternalError", "etcd is away"))}"# + "\n"),
            "etcd is away"
        ),
        ("garbage", .says("<html>not JSON</html>\n"), "can't be read"),
        ("another object", .says(#"{"type":"ADDED","object":{"kind":"Secret"}}"# + "\n"), "can't be read"),
    ])
    func `what makes no sense changes nothing, and the watch goes on`(
        _ name: String, _ fault: APIServer.Fault, _ reason: String
    ) async throws {
        try await watching(options: noWatchList, before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { isWatching(server) }
            server.fail(.watch, fault)
            await server.disconnectAll()
            try await eventually("told: \(name)") { reports.now.failures.contains { $0.contains(reason) } }
            #expect(reports.names("httpbin").count == 3)
            server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("it goes on") { reports.names("httpbin").count == 4 && reports.now.failure == nil }
            #expect(lists(server) == 1)
        }
    }

    @Test func `half a line is no event; the next watch brings the whole`() async throws {
        try await watching(options: noWatchList, before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { isWatching(server) }
            let line = try recorded("watch.jsonl").split(separator: "\n")[0]
            for fault in [APIServer.Fault.says(String(line.prefix(300))), .breaksAfter(String(line.prefix(300)))] {
                server.fail(.watch, fault)
            }
            await server.disconnectAll()
            server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("it goes on") { reports.names("httpbin") == ["a", "b", "c", "d"] }
            #expect(lists(server) == 1)
        }
    }

    @Test func `a server that ends every watch at once is reported, and asked with a back-off`() async throws {
        try await watching(options: noWatchList, before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { isWatching(server) }
            for _ in 0..<6 { server.fail(.watch, .says("")) }
            await server.disconnectAll()
            try await eventually("told") { reports.now.failures.contains { $0.contains("at once") } }
            #expect(reports.names("httpbin").count == 3)
            server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("it goes on") { reports.names("httpbin").count == 4 && reports.now.failure == nil }
            #expect(lists(server) == 1)
        }
    }

    @Test func `a server that falls silent is noticed, and left for a new connection`() async throws {
        try await watching(options: noWatchList, patience: impatient, before: { server, _ in fill(server) }) {
            watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { reports.names("httpbin").count == 3 && isWatching(server) }
            server.fail(.watch, .silence)
            await server.disconnectAll()
            try await eventually("told") { reports.now.failures.contains { $0.contains("does not answer in time") } }
            server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("it goes on") { reports.names("httpbin").count == 4 && reports.now.failure == nil }
        }
    }

    @Test func `a server that is gone keeps the state, and is listed when it is back`() async throws {
        try await watching(options: noWatchList, patience: impatient, before: { server, _ in fill(server) }) {
            watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("synced") { reports.names("httpbin").count == 3 }
            let port = server.port
            await server.stop()
            try await eventually("stale") { reports.now.failure?.contains("refuses the connection") == true }
            #expect(reports.names("httpbin").count == 3)
            server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await server.start(port: port)
            try await eventually("back") { reports.names("httpbin").count == 4 && reports.now.failure == nil }
            #expect(lists(server) == 2, "its storage may be another one")
        }
    }

    @Test func `a server that answers a watch and says nothing has not confirmed anything`() async throws {
        try await watching(options: noWatchList, before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { reports.names("httpbin").count == 3 && isWatching(server) }
            let (watches, confirmations) = (server.requests.count, reports.now.confirmations)
            await server.disconnectAll()
            try await eventually("stale") { reports.now.failure != nil }
            try await eventually("watching again") { server.requests.count > watches && isWatching(server) }
            #expect(reports.now.confirmations == confirmations)
            #expect(reports.now.failure != nil, "an answer's head is no word about what there is")
            try await eventually("a bookmark is") {
                server.bookmark()
                return reports.now.failure == nil && reports.now.confirmations > confirmations
            }
            #expect(lists(server) == 1)
        }
    }

    @Test func `after its storage was replaced and has newer versions, the server's objects are reported`() async throws
    {
        try await watching(options: noWatchList, patience: impatient, before: { server, _ in fill(server) }) {
            watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { reports.names("httpbin").count == 3 && isWatching(server) }
            let port = server.port
            await server.stop()
            await server.restore("endpointslices", to: ["n/one"], version: 50)
            for index in 0..<200 { server.putSlice("x\(index)", of: "else", in: "m", []) }
            try await eventually("an outage") { reports.now.failures.count >= 2 }
            try await server.start(port: port)
            try await eventually("the new world") { reports.names("httpbin") == ["a", "b"] }
            #expect(reports.now.lastEvidence == SourceUpdate.Evidence.none, "so the guard looks at it")
        }
    }

    @Test func `after its storage went back in time, the server's objects are reported`() async throws {
        try await watching(options: noWatchList, patience: impatient, before: { server, _ in fill(server) }) {
            watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("watching") { reports.names("httpbin").count == 3 && isWatching(server) }
            server.bookmark()
            try await eventually("up to date") { reports.now.confirmations > 0 }
            await server.restore("endpointslices", to: ["n/one"], version: 50)
            // Silence is all that a watch from the future gets; what comes meanwhile is in no watch.
            server.putSlice("new", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("the old slice is there, and the new one") {
                reports.names("httpbin") == ["a", "b", "d"]
            }
            #expect(reports.now.lastEvidence == SourceUpdate.Evidence.none, "so the guard looks at it")
            #expect(reports.now.failure == nil)
            server.putSlice("newer", of: "httpbin", in: "n", [.init("e", "10.0.0.5")])
            try await eventually("it goes on from there") { reports.names("httpbin") == ["a", "b", "d", "e"] }
        }
    }

    @Test func `more watches than a connection allows are spread over connections`() async throws {
        let namespaces = (1...60).map { "n\($0)" }
        try await watching(
            "{kubeconfig: config, namespaces: [\(namespaces.joined(separator: ", "))], export: true}",
            before: { server, _ in
                for namespace in namespaces {
                    server.putService("web", in: namespace, labels: ["ballast.dev/export": "true"])
                    server.putSlice("web-1", of: "web", in: namespace, [.init("p", "10.0.0.1")])
                }
            }
        ) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("all are synced") { reports.now.pods?.count == 60 }
            #expect(reports.now.failures.isEmpty, "\(reports.now.failures.prefix(3))")
            #expect(server.requests.count == 120, "one watch each, and no storm")
        }
    }

    @Test func `a watch that fails ends no other`() async throws {
        try await watching(
            "{kubeconfig: config, namespaces: [n, m], services: {httpbin: {namespace: n}, other: {namespace: m}}}",
            options: noWatchList,
            patience: APIClient.Patience(connect: .seconds(60), head: .seconds(4), silence: .seconds(600)),
            before: { server, _ in fill(server) }
        ) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("both are watched") { server.watchCount == 2 && lists(server) == 2 }
            try await eventually("synced") { reports.names("httpbin").count == 3 }
            let watches = { (namespace: String) in
                server.requests.count { $0.isWatch && $0.path.contains("/namespaces/\(namespace)/") }
            }
            let before = watches("n")
            // One is ended and then answered with silence until it gives up: its connection is no good any more.
            server.fail(.watch, .silence)
            server.endWatches(of: "endpointslices", in: "m")
            try await eventually("it has given up") { reports.now.failure?.contains("does not answer in time") == true }
            server.putSlice("three", of: "httpbin", in: "n", [.init("d", "10.0.0.4")])
            try await eventually("the other goes on") { reports.names("httpbin").count == 4 }
            #expect(watches("n") == before, "over the watch that it had")
        }
    }
}
