import ControlPlane
import EnvoyAPI
import GRPCTransport
import Model
import Serving
import Snapshots
import TestBench
import Testing
import TestSupport
import XDS

/// A field of a message, on the wire.
private func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
    WireWriter.message { $0.message(number, content) }
}

private func field(_ number: UInt8, _ value: UInt64) -> [UInt8] { WireWriter.message { $0.number(number, value) } }

private let node = field(1, field(1, Array("client".utf8)) + field(6, Array("envoy".utf8)))

/// A report of requests to one locality of a cluster, over one second.
private func report(_ cluster: String, _ region: String, issued: UInt64, errors: UInt64 = 0, busy: UInt64 = 0)
    -> [UInt8]
{
    let locality = field(1, field(1, Array(region.utf8)))
    let (succeeded, _) = issued.subtractingReportingOverflow(errors)
    let loads = field(2, succeeded) + field(3, busy) + field(4, errors) + field(8, issued)
    let stats = field(1, Array(cluster.utf8)) + field(2, locality + loads) + field(4, field(1, UInt64(1)))
    return field(2, stats)
}

@Test func `the numbers of a report are cut, so that no sum of many reports overflows`() throws {
    let load = try LoadReport(report("httpbin", "east", issued: .max, errors: .max, busy: .max)).clusters[0]
        .localities[0].load
    let numbers = [load.issued, load.errors, load.successes, load.inProgress]
    #expect(numbers.max() == 1_000_000_000, "\(numbers)")
}

@Test func `load reports are asked for once and added up; lost and strange ones harm nothing`() async throws {
    try await withTemporaryDirectory { directory in
        try await RunningControlPlane.run(in: directory) { plane in
            try await plane.withChannel { channel in
                let stream = await channel.open(LoadReport.method)
                var answers = stream.messages.makeAsyncIterator()
                await stream.send(node)
                let asked = try #require(try await answers.next())
                // Every cluster (4) and endpoint (3), every 5 s (2).
                #expect(asked.contains(field(2, field(1, UInt64(5)))) && asked.contains(field(3, UInt64(1))))
                #expect(asked.contains(field(4, UInt64(1))))

                await stream.send(report("httpbin", "east", issued: 40, errors: 4, busy: 20))
                await stream.send(report("httpbin", "west", issued: 60))
                for strange in [
                    report("no-such-cluster", "east", issued: 1_000), report("httpbin", "nowhere", issued: 0),
                    report("", "", issued: 7), field(2, []), [],
                ] { await stream.send(strange) }
                let viewer = ClientView(cluster: "east", kind: .plain)
                let observed = {
                    await plane.controlPlane.status.observed[viewer]?[ServiceName(rawValue: "httpbin")]
                }
                try await eventually("both reports count") { await observed()?.targets[.service]?.issued == 100 }
                let load = try #require(await observed())
                #expect(load.share(of: .cluster("east")) == 0.4 && load.share(of: .cluster("west")) == 0.6)
                #expect(load.targets[.cluster("east")]?.errors == 4)
                // 20 under way for a second, while 40 ended: half a second each.
                #expect(load.targets[.cluster("east")]?.latency == 0.5)

                // Each number of a report counts as a billion at most.
                for _ in 0..<3 { await stream.send(report("httpbin", "east", issued: .max, errors: .max, busy: .max)) }
                try await eventually("they count") { await observed()?.targets[.service]?.issued == 3_000_000_100 }

                let broken = await channel.open(LoadReport.method)
                await broken.send([0xff, 0xff, 0xff])
                var end: GRPCStatus?
                do { for try await _ in broken.messages {} } catch let status as GRPCStatus { end = status }
                #expect(end?.code == .invalidArgument)
                #expect(await plane.controlPlane.clients().contains { $0.method == LoadReport.method })
            }
        }
    }
}
