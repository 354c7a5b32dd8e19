public import Foundation
import Synchronization

/// A mesh's certificates, made with the openssl command: one authority, and a certificate each for pods, pods of another
/// trust domain, clients, an ambient gateway, a Kubernetes API server, Ballast, and another Ballast.
///
/// They are valid for two days.
public struct Certificates: Sendable {
    /// The directory of the files `NAME.crt` and `NAME.key`.
    public let directory: String

    /// The SNI that clients send, which is also in the pods' certificates.
    public static let serviceName = "outbound_.8000_._.httpbin.default.svc.cluster.local"

    /// This process's certificates, made only once because that takes more than a second.
    private static let made = Mutex<[String: Data]>([:])

    /// Writes this process's certificates to a directory, which must exist.
    public init(in directory: String) throws {
        self.directory = directory
        let files = try Self.made.withLock { made in
            if made.isEmpty { made = try Self.make() }
            return made
        }
        for (file, content) in files { try content.write(to: URL(fileURLWithPath: "\(directory)/\(file)")) }
    }

    private static func make() throws -> [String: Data] {
        let place = FileManager.default.temporaryDirectory.appendingPathComponent("ballast-certs-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: place) }
        _ = try Certificates(makingIn: place.path)
        var files: [String: Data] = [:]
        for file in try FileManager.default.contentsOfDirectory(atPath: place.path) where !file.hasSuffix(".csr") {
            files[file] = try Data(contentsOf: place.appendingPathComponent(file))
        }
        return files
    }

    /// Makes new certificates in a directory, which must exist.
    public init(makingIn directory: String) throws {
        self.directory = directory
        try makeKey("ca")
        try run(
            "openssl",
            [
                "req", "-x509", "-new", "-key", "ca.key", "-sha256", "-days", "2", "-subj", "/CN=bench authority",
                "-out", "ca.crt",
            ],
            directory: directory
        )
        try makeCertificate("pod", ["DNS:\(Self.serviceName)", "URI:spiffe://mesh.example/httpbin"])
        try makeCertificate(
            "other-pod", ["DNS:\(Self.serviceName)", "URI:spiffe://west.example/ns/httpbin/sa/httpbin"])
        try makeCertificate("client", ["URI:spiffe://mesh.example/client"])
        try makeCertificate("gateway", ["URI:spiffe://mesh.example/gateway"])
        try makeCertificate("api", ["IP:127.0.0.1", "IP:::1", "DNS:api.example"])
        try makeCertificate("peer", ["DNS:peer.example", "URI:spiffe://mesh.example/peer"])
        try makeCertificate("ballast", ["DNS:ballast.example", "URI:spiffe://mesh.example/ballast"])
    }

    /// Makes another certificate, signed by the directory's authority and valid until `end`.
    public func make(_ name: String, _ alternativeNames: [String], until end: Date) throws {
        try makeKey(name)
        try "subjectAltName=critical,\(alternativeNames.joined(separator: ","))"
            .write(toFile: "\(directory)/\(name).ext", atomically: true, encoding: .utf8)
        // `openssl ca` accepts an exact end; `openssl x509` only counts days.
        let settings = """
            [ca]
            default_ca = authority
            [authority]
            database = index.txt
            serial = serial.txt
            new_certs_dir = .
            default_md = sha256
            policy = names
            [names]
            commonName = supplied
            """
        try settings.write(toFile: "\(directory)/ca.cnf", atomically: true, encoding: .utf8)
        try "".write(toFile: "\(directory)/index.txt", atomically: true, encoding: .utf8)
        try "01\n".write(toFile: "\(directory)/serial.txt", atomically: true, encoding: .utf8)
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "UTC")
        format.dateFormat = "yyyyMMddHHmmss'Z'"
        try run(
            "openssl", ["req", "-new", "-key", "\(name).key", "-subj", "/CN=\(name)", "-out", "\(name).csr"],
            directory: directory)
        try run(
            "openssl",
            [
                "ca", "-batch", "-config", "ca.cnf", "-in", "\(name).csr", "-cert", "ca.crt", "-keyfile", "ca.key",
                "-notext", "-extfile", "\(name).ext", "-startdate", "20200101000000Z", "-enddate",
                format.string(from: end), "-out",
                "\(name).crt",
            ], directory: directory)
    }

    private func makeKey(_ name: String) throws {
        try run(
            "openssl", ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "\(name).key"],
            directory: directory
        )
    }

    private func makeCertificate(_ name: String, _ alternativeNames: [String]) throws {
        try makeKey(name)
        let names = "subjectAltName=critical,\(alternativeNames.joined(separator: ","))"
        try names.write(toFile: "\(directory)/\(name).ext", atomically: true, encoding: .utf8)
        try run(
            "openssl", ["req", "-new", "-key", "\(name).key", "-subj", "/", "-out", "\(name).csr"], directory: directory
        )
        try run(
            "openssl",
            [
                "x509", "-req", "-in", "\(name).csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-sha256",
                "-days", "2", "-extfile", "\(name).ext", "-out", "\(name).crt",
            ],
            directory: directory
        )
    }
}
