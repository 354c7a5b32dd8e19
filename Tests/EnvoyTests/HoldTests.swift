import Foundation
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// The guard, the admin API and `ballast release`, on a running Ballast.
    @Suite(.serialized, .newestEnvoyOnly) struct HoldTests {
        private struct Page: Decodable {
            struct Pod: Decodable {
                struct Weight: Decodable {
                    var pod: Int
                    var multiplier: String
                    var scaled: Int
                    var split: Int?
                    var derivation: String
                }
                var cluster: String
                var pod: String
                var source: String?
                var object: String?
                var line: Int?
                var confirmed: String?
                var held: String?
                var weight: Weight
            }
            struct Hold: Decodable {
                var service: String
                var cluster: String
                var pods: [String]
                var reason: String
                var since: String
                var until: String
            }
            var held: [Hold]?
            var pods: [Pod]
        }

        private func page(_ bench: Bench, _ query: String = "") async throws -> Page {
            let answer = try await HTTPConnection.get(
                host: bench.host, port: Bench.adminPort, "/v1/services/httpbin\(query)")
            #expect(answer.status == 200)
            return try JSONDecoder().decode(Page.self, from: Data(answer.body.utf8))
        }

        private func release(_ bench: Bench, _ arguments: String...) throws -> String {
            try run(
                tools.ballast, ["release"] + arguments + ["--admin", "http://\(bench.host):\(Bench.adminPort)"],
                directory: bench.directory)
        }

        private func configuration(_ bench: Bench, guard settings: String = "on") throws -> String {
            try bench.template("ballast.yaml").replacingOnce("guard: off", with: "guard: \(settings)")
        }

        private func pods(_ count: Int) -> String {
            "services:\n  httpbin:\n"
                + (1...count).map { "    - {name: p\($0), address: \"10.0.0.\($0):80\", weight: 2}\n" }.joined()
        }

        @Test func `a set that shrinks without evidence is held, explained, and released by an operator`()
            async throws
        {
            try await withBench { bench in
                let configuration = try self.configuration(bench).replacingOnce("{west: 1.0}", with: "{west: 0.5}")
                try bench.write(configuration, to: "ballast.yaml")
                try bench.write(pods(8), to: "east.yaml")
                try bench.publish(["w1", "w2"].map(bench.pod), in: "west")
                try await bench.startBallast()
                #expect(throws: BenchError.self) { try release(bench, "httpbin") }

                try bench.write(pods(2), to: "east.yaml")
                try await eventually("held") { try await page(bench).held?.count == 1 }
                let held = try await page(bench)
                let hold = try #require(held.held?.first)
                #expect(hold.cluster == "east" && hold.pods == (3...8).map { "p\($0)" })
                #expect(
                    hold.reason == """
                        its source names 2 of 8 pods, without evidence that the others are gone; if they are gone: \
                        ballast release httpbin --cluster east --admin http://\(bench.host):\(Bench.adminPort)
                        """)
                #expect(
                    try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/services").body.contains(
                        "8 of 8 pods healthy, reached directly; 6 of them held (guard)"))
                let times = try [hold.since, hold.until].map {
                    try #require(ISO8601DateFormatter().date(from: $0) as Date?)
                }
                #expect(abs(times[1].timeIntervalSince(times[0]) - 300) <= 1)
                #expect(held.pods.count { $0.cluster == "east" && $0.held != nil } == 6)
                #expect(
                    try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/readyz").body.contains(
                        "\"held\""))

                #expect(try release(bench, "httpbin") == "httpbin released in east\n")
                try await eventually("let go") { try await page(bench).pods.count { $0.cluster == "east" } == 2 }
                #expect(try await page(bench).held == nil)
            }
        }

        @Test func `every endpoint says where it comes from, and how its weight came about`() async throws {
            try await withBench { bench in
                let configuration = try self.configuration(bench).replacingOnce("{west: 1.0}", with: "{west: 0.5}")
                try bench.write(configuration, to: "ballast.yaml")
                try bench.write(pods(3), to: "east.yaml")
                try await bench.startBallast()
                let east = try #require(try await page(bench).pods.first { $0.pod == "p2" })
                #expect(east.object == "\(bench.directory)/east.yaml" && east.line == 4)
                #expect(east.source == "file \(bench.directory)/east.yaml" && east.confirmed != nil)
                #expect(east.weight.pod == 2 && east.weight.multiplier == "1" && east.weight.scaled == 4)
                let west = try #require(try await page(bench, "?audience=plain").pods.first { $0.cluster == "west" })
                #expect(west.weight.multiplier == "0.5" && west.weight.split == 1)
                #expect(
                    west.weight.derivation
                        == "pod weight 1 x multiplier 0.5, 1 on the service's scale; its cluster's 3 is split over 1 endpoint"
                )
                // A line more, further up.
                try bench.write("# two\n# lines\n" + pods(3), to: "east.yaml")
                try await eventually("the lines follow") {
                    try await page(bench).pods.first { $0.pod == "p2" }?.line == 6
                }
            }
        }

        @Test func `a hold ends by itself, and a browser can't end it for another site`() async throws {
            try await withBench { bench in
                try bench.write(configuration(bench, guard: "{holdFor: 2s}"), to: "ballast.yaml")
                try bench.write(pods(8), to: "east.yaml")
                try await bench.startBallast()
                try bench.write(pods(1), to: "east.yaml")
                try await eventually("held") { try await page(bench).held?.count == 1 }
                try await HTTPConnection.open(host: bench.host, port: Bench.adminPort) { connection in
                    let answer = try await connection.get(
                        "/v1/services/httpbin/release", isPost: true, headers: [("origin", "http://evil.example")])
                    #expect(answer.status == 403)
                }
                try await HTTPConnection.open(host: bench.host, port: Bench.adminPort) { connection in
                    let answer = try await connection.get("/v1/services/nothing/release", isPost: true)
                    #expect(answer.status == 404)
                }
                try await eventually("let go") { try await page(bench).pods.count { $0.cluster == "east" } == 1 }
            }
        }
    }
}
