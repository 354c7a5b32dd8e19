import Intent
import Model
import YAMLFile

extension Access {
    /// Reads `xds.tls.allow`; nil if it is not set.
    init?(server entry: YAMLReader?, clusters: Set<ClusterName>) throws(ConfigurationError) {
        for (key, tls) in try entry?.entries() ?? [] where key == "tls" {
            for (key, allow) in try tls.entries() where key == "allow" {
                var rules: [Rule] = []
                for item in try allow.list() { rules.append(try Rule(item, clusters: clusters)) }
                self.init(rules: rules)
                return
            }
        }
        return nil
    }
}

extension Access.Rule {
    /// Reads an identity pattern, or a mapping that restricts the views and roles of a pattern.
    fileprivate init(_ entry: YAMLReader, clusters: Set<ClusterName>) throws(ConfigurationError) {
        guard entry.isMapping else {
            self.init(identity: try entry.identity())
            return
        }
        let fields = try entry.mapping("identity", "views", "roles")
        self.init(identity: try fields.required("identity", of: entry).identity())
        if let views = fields["views"] {
            var names: Set<ClusterName> = []
            for view in try views.list() {
                let name = ClusterName(rawValue: try view.text())
                guard clusters.contains(name) else { throw view.error("`clusters` has no cluster of this name") }
                names.insert(name)
            }
            self.views = names
        }
        if let roles = fields["roles"] {
            self.roles = []
            for role in try roles.list() { self.roles.insert(try role.choice(Access.Role.self)) }
        }
    }
}

extension YAMLReader {
    func identity() throws(ConfigurationError) -> IdentityPattern {
        try value(
            "should be a URI or a host name, such as spiffe://mesh.example/ns/*/sa/client; `**` stands at the end only",
            IdentityPattern.init(_:)
        )
    }
}
