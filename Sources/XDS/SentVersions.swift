/// The version of each resource that a client holds or is being sent, and the version of the set.
struct SentVersions: Sendable {
    private(set) var byName: [ResourceName: ResourceVersion] = [:]
    private var all = SetVersion()

    /// The version of all of them together.
    var version: ResourceVersion { all.version }

    /// Nil if the client doesn't have the resource.
    subscript(name: ResourceName) -> ResourceVersion? {
        get { byName[name] }
        set {
            let previous = byName[name]
            guard previous != newValue else { return }
            if let previous { all.remove(previous) }
            if let newValue { all.insert(newValue) }
            byName[name] = newValue
        }
    }
}
