/// Why a stream has to end: the client broke a rule or a limit.
public enum ProtocolViolation: Error, Hashable, Sendable {
    /// A request for one type on a stream of another, or none on an aggregated one.
    case wrongType(String)
    /// More names, of all types together, than a stream may want.
    case tooManyNames(limit: Int)
    /// A resource name of more bytes than one may have.
    case longName(limit: Int)
    /// More types than a stream may want.
    case tooManyTypes(limit: Int)
    /// A type URL of more bytes than one may have.
    case longType(limit: Int)
}
