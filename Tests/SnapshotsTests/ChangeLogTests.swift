import Balancing
import Model
@testable import Snapshots
import Testing
import TestSupport

/// What is told of a publication.
@Suite struct ChangeLogTests {
    private func facts(_ eu: [Pod], us: Int = 2) -> ChangeLog.Facts {
        let clusters = ["eu", "us"].map { name in
            var cluster = Cluster(name: ClusterName(rawValue: name))
            cluster.network = "one"
            return cluster
        }
        return ChangeLog.Facts(
            service: Service(name: "orders"), clusters: clusters, client: "us",
            pods: ["eu": eu, "us": pods("u", us, network: 1)])
    }

    private func eu(_ names: Int...) -> [Pod] {
        pods("w", 9, network: 2).filter { names.contains(Int($0.name.dropFirst()) ?? 0) }
    }

    @Test func `pods that came, went and changed, and what that does to the shares`() throws {
        var after = eu(1, 2, 4)
        after[1].weight = try #require(Weight(2))
        #expect(
            ChangeLog.line("orders", facts(eu(1, 2, 3)), facts(after))
                == "orders in eu: w2 weight 1→2, −w3, +w4; shares eu 60→67 %, us 40→33 %")
        after[0].health = .draining
        #expect(
            ChangeLog.line("orders", facts(eu(1, 2, 4)), facts(after))
                == "orders in eu: w1 healthy→draining, w2 weight 1→2")
        #expect(ChangeLog.line("orders", facts(eu(1)), facts(eu(1))) == nil)
    }

    @Test func `many pods are counted`() {
        let line = ChangeLog.line("orders", facts([]), facts(eu(1, 2, 3, 4, 5, 6, 7)))
        #expect(line == "orders in eu: +w1, +w2, +w3, +w4, +w5 and 2 more; shares eu 0→78 %, us 100→22 %")
    }

    @Test func `a change is logged at once, and those that follow are summed up`() {
        var log = ChangeLog()
        let now = ContinuousClock.now
        log.note("orders", before: facts(eu(1)))
        #expect(log.drain(at: now) { _ in facts(eu(1, 2)) } == ["orders in eu: +w2; shares eu 33→50 %, us 67→50 %"])
        for second in 1..<10 {
            log.note("orders", before: facts(eu(1, 2)))
            #expect(log.drain(at: now + .seconds(second)) { _ in facts(eu(1)) } == [])
        }
        #expect(log.next == now + ChangeLog.interval)
        // What came and went meanwhile is nothing.
        #expect(log.drain(at: now + .seconds(10)) { _ in facts(eu(1, 2)) } == [])
        log.note("orders", before: facts(eu(1, 2)))
        #expect(log.drain(at: now + .seconds(20)) { _ in facts(eu(2)) }.count == 1)
    }

    @Test func `many services are counted`() {
        var log = ChangeLog()
        for number in 0..<100 { log.note(ServiceName(rawValue: "s\(number)"), before: facts(eu(1))) }
        let lines = log.drain(at: .now) { _ in facts(eu(1, 2)) }
        #expect(lines.count == 11)
        #expect(lines.last == "and 90 further changes of services")
    }
}
