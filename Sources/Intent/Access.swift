public import Model

/// Which clients may see which views, by the names in their certificates.
public struct Access: Hashable, Sendable {
    /// The role that a client claims in its node metadata.
    public enum Role: String, Hashable, Sendable, CaseIterable {
        /// Sends requests.
        case client
        /// Is a cluster's gateway.
        case gateway
    }

    /// Permits some clients some views.
    public struct Rule: Hashable, Sendable {
        /// The clients' names.
        public var identity: IdentityPattern
        /// The clusters whose views they may see; nil for all.
        public var views: Set<ClusterName>?
        /// The roles that they may claim.
        public var roles: Set<Role>

        /// Creates a rule.
        public init(
            identity: IdentityPattern, views: Set<ClusterName>? = nil, roles: Set<Role> = Set(Role.allCases)
        ) {
            self.identity = identity
            self.views = views
            self.roles = roles
        }

        /// Whether the rule permits a client that matches it this view in this role.
        public func permits(_ view: ClusterName, as role: Role) -> Bool {
            roles.contains(role) && views?.contains(view) != false
        }
    }

    /// The rules; a client needs one that permits its view and role.
    public var rules: [Rule]

    /// Creates access with these rules.
    public init(rules: [Rule]) { self.rules = rules }
}

/// A pattern for clients' names: a URI or host name in which `*` matches one part, and a final `**` all further parts.
///
/// Parts of a URI are separated by `/`, those of a host name by `.`: `spiffe://mesh.example/ns/*/sa/client`,
/// `spiffe://west.example/**`, `*.clients.example`.
///
/// Neither wildcard matches a part that is empty, `.` or `..`, or that contains `%`, because other software may read
/// such a URI as a different one (SPIFFE allows none of these).
public struct IdentityPattern: Hashable, Sendable, CustomStringConvertible {
    /// The pattern as written.
    public let description: String
    private let isURI: Bool
    private let parts: [Substring]

    /// Parses a pattern; nil if it is empty, or if `**` isn't the last part.
    public init?(_ text: String) {
        description = text
        isURI = text.contains("://")
        parts = text.split(separator: isURI ? "/" : ".", omittingEmptySubsequences: false)
        guard !text.isEmpty, !parts.dropLast().contains("**") else { return nil }
    }

    /// Whether the pattern matches a certificate's URI.
    public func matches(uri: String) -> Bool {
        isURI && matches(uri.split(separator: "/", omittingEmptySubsequences: false))
    }

    /// Whether the pattern matches a certificate's DNS name.
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
