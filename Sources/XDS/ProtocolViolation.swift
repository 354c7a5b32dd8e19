/// Why a stream has to end: the client broke a rule or a limit.
public enum ProtocolViolation: Error, Hashable, Sendable {
    /// A request for one type on a stream of another, or none on an aggregated one.
    case wrongType(String)
    /// More names of all types than the limit.
    case tooManyNames(limit: Int)
    /// A resource name longer than the limit, in bytes.
    case longName(limit: Int)
    /// More types than the limit.
    case tooManyTypes(limit: Int)
    /// A type URL longer than the limit, in bytes.
    case longType(limit: Int)
}
