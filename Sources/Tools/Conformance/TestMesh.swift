import TestBench
import XDS

/// The services that the server under test has; cases add to them, and change them.
actor TestMesh {
    nonisolated let subject: any Subject
    private(set) var services: [String: [String]] = [:]
    private var last = 0

    init(_ subject: any Subject) { self.subject = subject }

    /// A service of a name that was never there before, served when this returns.
    func add(pods: Int = 1) async throws -> ResourceName {
        let name = newName()
        try await set(name, to: (0..<pods).map { _ in newPod() })
        return name
    }

    /// A name that nothing has, and nothing had.
    func newName() -> ResourceName {
        last += 1
        return ResourceName(rawValue: "service-\(last)")
    }

    /// Gives a service one other endpoint.
    func change(_ name: ResourceName) async throws { try await set(name, to: [newPod()]) }

    /// Gives a service these endpoints, makes it or takes it away, and waits until that is served.
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
