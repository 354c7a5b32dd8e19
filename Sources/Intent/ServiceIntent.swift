public import Model

/// A service of the mesh, and the names of its EDS resources.
public struct ServiceIntent: Hashable, Sendable {
    /// The service.
    public var service: Service
    /// The EDS resource names: at least one, and none of them shared with another service.
    public var resources: [String]
    /// Whether the configuration lists the service; otherwise a source reported it and `*` applies.
    public var isListed: Bool

    /// Creates a service with these resource names.
    public init(service: Service, resources: [String], isListed: Bool = true) {
        self.service = service
        self.resources = resources
        self.isListed = isListed
    }
}

/// The settings of services that sources report but the configuration doesn't list.
public struct ServiceTemplate: Hashable, Sendable {
    /// The EDS resource names, with `{service}` for the service's name.
    public var resources: [String]
    /// All other settings; the name is a placeholder.
    public var service: Service

    /// Creates a template.
    public init(resources: [String], service: Service) {
        self.resources = resources
        self.service = service
    }

    /// The service of this name, made from the template.
    public func served(as name: ServiceName) -> ServiceIntent {
        var service = service
        service.name = name
        return ServiceIntent(
            service: service, resources: resources.map { $0.replacing("{service}", with: name.rawValue) },
            isListed: false)
    }
}
