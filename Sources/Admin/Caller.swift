package import Hummingbird
import NIOCore

/// Who makes a request, and what it may do.
package struct Caller: Hashable, Sendable {
    /// What a caller may do; each role includes those before it.
    package enum Role: String, CaseIterable, Comparable, Sendable {
        /// Reads everything and makes plans.
        case viewer
        /// Creates and ends overrides, and releases held pods.
        case operate = "operator"
        /// Breaks safety rules.
        case breaker

        package static func < (left: Role, right: Role) -> Bool {
            (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
        }
    }

    /// The name that changes are made under.
    var name: String
    var role: Role

    /// Everyone, where no token is needed.
    static let anyone = Caller(name: "admin", role: .breaker)
}

/// The context of a request: Hummingbird's, with the caller.
package struct AdminContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    var caller = Caller.anyone

    package init(source: ApplicationRequestContextSource) { coreContext = CoreRequestContextStorage(source: source) }
}
