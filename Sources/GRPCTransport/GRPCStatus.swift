import CGRPC

/// The status that a stream ended with, or must end with.
public struct GRPCStatus: Error, Hashable, Sendable, CustomStringConvertible {
    /// The gRPC status codes that Ballast sends or reads.
    public enum Code: UInt32, Hashable, Sendable {
        case ok = 0
        case cancelled = 1
        case unknown = 2
        case invalidArgument = 3
        case deadlineExceeded = 4
        case notFound = 5
        case permissionDenied = 7
        case resourceExhausted = 8
        case failedPrecondition = 9
        case unimplemented = 12
        case `internal` = 13
        case unavailable = 14
        case unauthenticated = 16
    }

    /// The status code.
    public var code: Code
    /// What is wrong and what to do, for people.
    public var message: String

    /// Creates a status.
    public init(_ code: Code, _ message: String = "") {
        self.code = code
        self.message = message
    }

    /// A readable form for logs.
    public var description: String { message.isEmpty ? "\(code)" : "\(code): \(message)" }
}

/// The transport could not be set up.
public struct TransportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong and what to do.
    public var description: String

    init(_ description: String) { self.description = description }
}
