/// What a client has answered to the responses of one type.
struct ClientAnswers: Sendable {
    /// The version of the last response that the client accepted.
    private(set) var acknowledged: ResourceVersion?
    /// The last answer, if it was a NACK.
    private(set) var rejection: Rejection?

    /// The memory of the rejection's message, in bytes.
    var memoryBytes: Int { rejection?.message.utf8.count ?? 0 }

    /// Notes an ACK of a response, or a version that the client brought from an earlier stream.
    mutating func accept(_ version: ResourceVersion) {
        acknowledged = version
        rejection = nil
    }

    /// Notes an ACK, or a NACK if the client gave a reason.
    mutating func note(_ version: ResourceVersion, rejection reason: String?) {
        guard let reason else { return accept(version) }
        rejection = Rejection(version: version, message: reason)
    }
}
