import Model
@testable import Serving
import Snapshots
import Synchronization
import Testing

private let client = ClientView(cluster: "east", kind: .lanes)

@Suite struct ProgressTests {
    @Test func `gateways arrive when all of them have acknowledged what is awaited`() {
        let arrivals = Mutex(0)
        let progress = GatewayProgress { arrivals.withLock { $0 += 1 } }
        let (one, other) = (GatewayProgress.StreamID(), GatewayProgress.StreamID())
        progress.note(one, of: "west", hasTaken: 5)
        #expect(progress.taken == ["west": 5])
        progress.await(["west": 7])
        progress.note(one, of: "west", hasTaken: 6)
        #expect(arrivals.withLock { $0 } == 0)
        progress.note(one, of: "west", hasTaken: 7)
        #expect(arrivals.withLock { $0 } == 1)
        progress.note(other, of: "west", hasTaken: 0)
        progress.await(["west": 7])
        progress.forget(other, of: "west")
        #expect(arrivals.withLock { $0 } == 2, "one that is gone is not waited for")
        progress.await(["west": 6])
        #expect(arrivals.withLock { $0 } == 3, "what was acknowledged before arrives at once")
    }

    @Test func `a view that was asked for once is wanted for a while, and one that streams hold until they release it`()
    {
        let demand = Demand {}
        let (held, asked) = (ViewKey.client(client), ViewKey.client(ClientView(cluster: "east", kind: .plain)))
        demand.ask(for: asked)
        demand.replace(nil, with: held)
        demand.replace(nil, with: held)
        #expect(demand.views(at: .now).wanted == [held, asked])
        let later = ContinuousClock.now + Demand.patience + .seconds(1)
        #expect(demand.views(at: later).wanted == [held])
        demand.replace(held, with: nil)
        #expect(demand.views(at: later).wanted == [held])
        demand.replace(held, with: nil)
        #expect(demand.views(at: .now).wanted == [held], "a client that reconnects finds it")
        #expect(demand.views(at: .now).next != nil)
        #expect(demand.views(at: later + .seconds(1)).wanted.isEmpty)
    }
}
