public import Model

/// A service of the mesh, and the EDS names that it is served under.
public struct ServiceIntent: Hashable, Sendable {
    /// The service.
    public var service: Service
    /// At least one; no other service has any of them.
    public var resources: [String]
    /// Whether the configuration names it; otherwise it is what `*` makes of a name that a source brings.
    public var isListed: Bool

    /// A service under these names.
    public init(service: Service, resources: [String], isListed: Bool = true) {
        self.service = service
        self.resources = resources
        self.isListed = isListed
    }
}

/// What services are like that sources bring and nobody has listed.
public struct ServiceTemplate: Hashable, Sendable {
    /// With `{service}` in place of the name.
    public var resources: [String]
    /// Everything else.
    public var service: Service

    /// A template.
    public init(resources: [String], service: Service) {
        self.resources = resources
        self.service = service
    }

    /// The service of that name.
    public func served(as name: ServiceName) -> ServiceIntent {
        var service = service
        service.name = name
        return ServiceIntent(
            service: service, resources: resources.map { $0.replacing("{service}", with: name.rawValue) },
            isListed: false)
    }
}
