import Foundation
@testable import GRPCTransport
import MeshConfiguration
import Serving
import TestBench
import Testing
import TestSupport
import YAMLFile

/// Certificates and keys are looked into before they are used.
@Suite struct TLSMaterialTests {
    private func error(_ directory: String, _ certificate: String, _ key: String, _ authority: String) -> String {
        let error = #expect(throws: ConfigurationError.self) {
            try TLSMaterial(
                certificate: "\(directory)/\(certificate)", key: "\(directory)/\(key)",
                authorities: "\(directory)/\(authority)")
        }
        return (error?.description ?? "").replacing("\(directory)/", with: "")
    }

    @Test func `files that belong together are taken, with the end of their time`() throws {
        try withTemporaryFiles { directory in
            let material = try TLSMaterial(
                certificate: "\(directory)/ballast.crt", key: "\(directory)/ballast.key",
                authorities: "\(directory)/ca.crt")
            #expect(abs(Double(material.expiry) - Date().timeIntervalSince1970 - 2 * 86_400) < 3_600)
            #expect(material.warning(about: "x.crt") == nil)
            let late = Date(timeIntervalSince1970: Double(material.expiry) - 3_600)
            #expect(
                material.warning(about: "x.crt", at: late)?.hasPrefix("x.crt: the certificate expires at 2") == true)
            #expect(material.warning(about: "x.crt", at: late + 7_200)?.contains("expired at") == true)
        }
    }

    @Test func `each wrong file is named, with what is in it`() throws {
        try withTemporaryFiles { directory in
            try "garbage".write(toFile: "\(directory)/garbage", atomically: true, encoding: .utf8)
            try "".write(toFile: "\(directory)/empty", atomically: true, encoding: .utf8)
            #expect(
                error(directory, "ballast.crt", "client.key", "ca.crt")
                    == "client.key: is not the key of the certificate in ballast.crt: replace both together")
            #expect(
                error(directory, "ballast.crt", "ballast.key", "ca.key")
                    == "ca.key: has no authority's certificate in PEM: it has a private key")
            #expect(
                error(directory, "ballast.key", "ballast.key", "ca.crt")
                    == "ballast.key: has no certificate in PEM: it has a private key")
            #expect(
                error(directory, "ballast.crt", "ballast.crt", "ca.crt")
                    == "ballast.crt: has no private key in PEM without a password: it has a certificate")
            #expect(error(directory, "nothing.crt", "ballast.key", "ca.crt") == "nothing.crt: there is no such file")
            #expect(error(directory, "garbage", "ballast.key", "ca.crt") == "garbage: has no certificate in PEM")
            #expect(
                error(directory, "empty", "ballast.key", "ca.crt") == "empty: has no certificate in PEM: it is empty")
        }
    }

    @Test func `all files of a configuration are looked into`() throws {
        try withTemporaryFiles { directory in
            let text = """
                cluster: a
                xds: {listen: "127.0.0.1:0", tls: {certificate: ballast.crt, key: peer.key}}
                clusters:
                  a: {endpoints: {file: a.yaml}}
                  b: {endpoints: {ballast: {address: "b:1", services: ["*"], tls: {certificate: client.crt, key: client.key, ca: client.key}}}}
                services: {s: {}}
                """
            let (errors, _) = try Configuration(text: text, file: "\(directory)/b.yaml").checkFiles()
            let named = errors.map { $0.description.replacing("\(directory)/", with: "").prefix { $0 != ":" } }
            #expect(named == ["peer.key", "client.key"])
        }
    }

    private func withTemporaryFiles(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        _ = try Certificates(in: directory)
        try body(directory)
    }
}
