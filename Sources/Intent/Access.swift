public import Model

/// Which clients may see what, by the names in their certificates.
public struct Access: Hashable, Sendable {
    /// What a client says it is in the mesh.
    public enum Role: String, Hashable, Sendable, CaseIterable {
        /// It sends requests.
        case client
        /// It is a cluster's gateway.
        case gateway
    }

    /// Lets some clients see something.
    public struct Rule: Hashable, Sendable {
        /// Whose names match.
        public var identity: IdentityPattern
        /// The clusters that they may say they are in; nil for any.
        public var views: Set<ClusterName>?
        /// What they may say they are.
        public var roles: Set<Role>

        /// A rule.
        public init(
            identity: IdentityPattern, views: Set<ClusterName>? = nil, roles: Set<Role> = Set(Role.allCases)
        ) {
            self.identity = identity
            self.views = views
            self.roles = roles
        }

        /// Whether a client whom the rule is for may see this.
        public func permits(_ view: ClusterName, as role: Role) -> Bool {
            roles.contains(role) && views?.contains(view) != false
        }
    }

    /// A client needs one rule that permits what it asks for.
    public var rules: [Rule]

    /// Access by these rules.
    public init(rules: [Rule]) { self.rules = rules }
}

/// Names of clients: a URI, or a host name, with `*` for any one part and `**` at the end for all further parts.
///
/// Neither stands for a part that is empty, `.` or `..`, or that has a `%`: others may read a URI with one as another URI
/// (SPIFFE allows none of them).
///
/// The parts of a URI end with `/`, those of a host name with a point: `spiffe://mesh.example/ns/*/sa/client`,
/// `spiffe://west.example/**`, `*.clients.example`.
public struct IdentityPattern: Hashable, Sendable, CustomStringConvertible {
    /// As it was written.
    public let description: String
    private let isURI: Bool
    private let parts: [Substring]

    /// Nil where the text is empty, or where `**` is not at its end.
    public init?(_ text: String) {
        description = text
        isURI = text.contains("://")
        parts = text.split(separator: isURI ? "/" : ".", omittingEmptySubsequences: false)
        guard !text.isEmpty, !parts.dropLast().contains("**") else { return nil }
    }

    /// Whether a URI of a certificate is meant.
    public func matches(uri: String) -> Bool {
        isURI && matches(uri.split(separator: "/", omittingEmptySubsequences: false))
    }

    /// Whether a host name of a certificate is meant.
    public func matches(dns name: String) -> Bool {
        !isURI && matches(name.lowercased().split(separator: ".", omittingEmptySubsequences: false))
    }

    private func matches(_ name: [Substring]) -> Bool {
        let isOpen = parts.last == "**"
        let fixed = isOpen ? parts.dropLast() : parts[...]
        guard isOpen ? name.count > fixed.count : name.count == fixed.count else { return false }
        return zip(fixed, name).allSatisfy { $0 == "*" ? Self.isPlain($1) : $0 == $1 }
            && name.dropFirst(fixed.count).allSatisfy(Self.isPlain)
    }

    private static func isPlain(_ part: Substring) -> Bool {
        !part.isEmpty && part != "." && part != ".." && !part.contains("%")
    }
}
