@testable import GRPCTransport
import Testing

@Test func `identities that all used some of their burst don't make the table of paces grow`() {
    let paces = LargeMessagePaces(bytesPerSecond: 1 << 20)
    let now = ContinuousClock.now
    for number in 0..<LargeMessagePaces.maxIdentities + 100 { _ = paces.consume(1 << 20, of: "\(number)", at: now) }
    #expect(paces.count == LargeMessagePaces.maxIdentities)
}
