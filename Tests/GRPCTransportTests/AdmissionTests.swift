import Testing

@testable import GRPCTransport

/// Which streams are let in.
///
/// What clients see of it is in `ServerTests`.
@Suite struct AdmissionTests {
    private let status = GRPCStatus(.resourceExhausted, "full")

    @Test func `a connection is ended for refusals that its client hasn't read, and no other is`() {
        let admission = Admission(limits: ServerLimits())
        let (deaf, other) = (StreamHead(method: "m", peer: "10.0.0.1:1"), StreamHead(method: "m", peer: "10.0.0.1:2"))
        // Read at once, however many.
        for _ in 0..<2_000 {
            #expect(!admission.noteRefusal(of: deaf, status))
            admission.forgetRefusal(of: deaf)
        }
        for _ in 0..<500 { #expect(!admission.noteRefusal(of: deaf, status)) }
        #expect(admission.noteRefusal(of: deaf, status))
        #expect(!admission.noteRefusal(of: other, status))
        #expect(admission.refusals.count == 2_502)
    }
}
