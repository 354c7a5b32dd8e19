import Foundation
public import Model

/// An address in a test; ends the test process where it isn't one.
public func address(_ text: String) -> SocketAddress {
    guard let address = SocketAddress(text) else { preconditionFailure("\(text) is not an address") }
    return address
}

/// Pods `NAME1`, `NAME2`… at addresses of their own.
public func pods(_ name: String, _ count: Int, network: Int, weight: Int = 1, health: Pod.Health = .healthy) -> [Pod] {
    (0..<count).map { index in
        Pod(
            name: "\(name)\(index + 1)", address: address("10.\(network).\(index / 250).\(index % 250 + 1):8000"),
            weight: Weight(weight) ?? .one, health: health
        )
    }
}

/// A directory that is removed when `body` is done.
public func withTemporaryDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("ballast-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return try await body(directory)
}

/// The root of the repository.
public let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
