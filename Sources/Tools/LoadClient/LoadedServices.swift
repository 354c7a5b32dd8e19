import Foundation

/// Services generated for a load: Ballast's configuration and endpoints file, and the changes to it.
///
/// Each change sets the weight of a service's first pod to the number of the service's changes plus one, so clients can
/// tell which changes they have received.
public struct LoadedServices: Sendable {
    /// The path of the endpoints file.
    public let path: String
    private var text: [UInt8]
    /// The position of each service's weight in the file.
    private let places: [Int]

    private static let digits = 7

    /// The name of the service with this number.
    public static func name(_ number: Int) -> String { "service-\(number)" }

    /// Writes `ballast.yaml` and `endpoints.yaml` to a directory.
    ///
    /// - Parameter xds: additional lines of the configuration's `xds` section, without its indentation.
    public static func write(
        to directory: String, services: Int, endpoints: Int, listen: String, admin: String, xds: [String] = []
    ) throws -> LoadedServices {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        var configuration = "cluster: load\nxds:\n  listen: \"\(listen)\"\n"
        for line in xds { configuration += "  \(line)\n" }
        configuration += "admin: {listen: \"\(admin)\"}\nclusters:\n  load:\n    locality: {region: load}\n"
        configuration += "    endpoints: {file: endpoints.yaml}\nservices:\n"
        for service in 0..<services { configuration += "  \(name(service)):\n    resources: [\"\(name(service))\"]\n" }
        try Data(configuration.utf8).write(to: URL(fileURLWithPath: "\(directory)/ballast.yaml"))
        var text = "services:\n"
        for service in 0..<services {
            text += "  \(name(service)):\n"
            for pod in 0..<endpoints {
                // All services may share the same addresses, since they are never called.
                let address = "10.\(pod >> 16 & 255).\(pod >> 8 & 255).\(pod & 255):8080"
                let weight = pod == 0 ? "1".padding(toLength: digits, withPad: " ", startingAt: 0) : "1"
                text += "    - {name: pod-\(pod), address: \"\(address)\", weight: \(weight)}\n"
            }
        }
        let path = "\(directory)/endpoints.yaml"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return try LoadedServices(changing: path)
    }

    /// Reads an endpoints file written by `write`.
    public init(changing path: String) throws {
        self.path = path
        text = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let marker = [UInt8]("weight: ".utf8)
        var places: [Int] = []
        var index = 0
        // The first pod's line follows the service's.
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            defer { index += 1 }
            guard line.starts(with: [UInt8]("    - {name: pod-0,".utf8)) else { continue }
            guard line.count > marker.count + Self.digits else {
                throw LoadError("\(path): line \(index + 1) has no weight")
            }
            places.append(line.endIndex - 1 - Self.digits)
        }
        guard !places.isEmpty else {
            throw LoadError("\(path) is not a file that `ballast load --prepare` wrote: no pod-0 in it")
        }
        self.places = places
    }

    /// The number of services.
    public var count: Int { places.count }

    /// Prepares a service's change with this number; `save` writes it.
    mutating func change(_ service: Int, to number: Int) {
        let digits = Array("\(number % 999_999 + 1)".utf8)
        for offset in 0..<Self.digits {
            text[places[service] + offset] = offset < digits.count ? digits[offset] : UInt8(ascii: " ")
        }
    }

    /// Renames a new file over the old one.
    func save() throws {
        try Data(text).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}

/// Why a load can't continue.
public struct LoadError: Error, CustomStringConvertible {
    /// What is wrong, and where.
    public let description: String

    init(_ description: String) { self.description = description }
}
