import TestBench
import XDS

/// The services of the server under test, which the cases add to and change.
actor TestMesh {
    nonisolated let subject: any Subject
    private(set) var services: [String: [String]] = [:]
    private var last = 0

    init(_ subject: any Subject) { self.subject = subject }

    /// Adds a service with a new name, and waits until it is served.
    func add(pods: Int = 1) async throws -> ResourceName {
        let name = newName()
        try await set(name, to: (0..<pods).map { _ in newPod() })
        return name
    }

    /// A name that has never been used.
    func newName() -> ResourceName {
        last += 1
        return ResourceName(rawValue: "service-\(last)")
    }

    /// Replaces a service's endpoints by one new endpoint.
    func change(_ name: ResourceName) async throws { try await set(name, to: [newPod()]) }

    /// Sets a service's endpoints, creating or removing the service, and waits until that is served.
    func set(_ name: ResourceName, to pods: [String]?) async throws {
        services[name.rawValue] = pods
        try await subject.publish(services)
        let expected = Set(pods ?? [])
        let address = subject.address
        try await eventually(every: .milliseconds(20), "\(name) is served as published") {
            try await Probe.endpoints(of: name, at: address) == expected
        }
    }

    private func newPod() -> String {
        last += 1
        return "10.\(last >> 16 & 255).\(last >> 8 & 255).\(last & 255):8080"
    }
}
