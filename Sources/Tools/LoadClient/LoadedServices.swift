import Foundation

/// Services that are made for a load: Ballast's configuration and endpoints file, and changes of it.
///
/// Each change gives the first pod of one service a weight of one more than the number of changes that it has had, so that
/// a client sees which changes it has.
public struct LoadedServices: Sendable {
    /// Where the endpoints file is.
    public let path: String
    private var text: [UInt8]
    /// Where each service's weight stands.
    private let places: [Int]

    private static let digits = 7

    /// The name of a service of that number.
    public static func name(_ number: Int) -> String { "service-\(number)" }

    /// Writes `ballast.yaml` and `endpoints.yaml` to a directory.
    ///
    /// - Parameter xds: lines for the configuration, indented as the fields of `xds` are.
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
                // Each service may have the same addresses: they are never called.
                let address = "10.\(pod >> 16 & 255).\(pod >> 8 & 255).\(pod & 255):8080"
                let weight = pod == 0 ? "1".padding(toLength: digits, withPad: " ", startingAt: 0) : "1"
                text += "    - {name: pod-\(pod), address: \"\(address)\", weight: \(weight)}\n"
            }
        }
        let path = "\(directory)/endpoints.yaml"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return try LoadedServices(changing: path)
    }

    /// Reads an endpoints file that `write` has written.
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

    /// How many services there are.
    public var count: Int { places.count }

    /// Notes a service's change of that number; `save` makes it.
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

/// Why a load can't go on.
public struct LoadError: Error, CustomStringConvertible {
    /// What is wrong, and where.
    public let description: String

    init(_ description: String) { self.description = description }
}
