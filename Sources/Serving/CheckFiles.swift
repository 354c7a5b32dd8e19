import Foundation
import GRPCTransport
import Intent
public import MeshConfiguration
public import YAMLFile

extension Configuration {
    /// Checks all certificates, keys and tokens that the configuration names for Ballast itself.
    ///
    /// - Returns: errors for files that can't be used, and warnings for certificates that expire soon.
    public func checkFiles() -> (errors: [ConfigurationError], warnings: [String]) {
        var (errors, warnings): ([ConfigurationError], [String]) = ([], [])
        let check = { (file: String, read: () throws(ConfigurationError) -> TLSMaterial) in
            do throws(ConfigurationError) {
                if let warning = try read().warning(about: file) { warnings.append(warning) }
            } catch {
                errors.append(error)
            }
        }
        if let files = server.xds.tls { check(files.certificate) { () throws(ConfigurationError) in try files.read() } }
        for source in mesh.clusters {
            guard case .ballast(let peer) = source.endpoints else { continue }
            check(peer.tls.certificate) { () throws(ConfigurationError) in
                try TLSMaterial(certificate: peer.tls.certificate, key: peer.tls.key, authorities: peer.tls.ca)
            }
        }
        if let tunnel = mesh.publication?.tunnel {
            check(tunnel.certificate) { () throws(ConfigurationError) in
                try TLSMaterial(certificate: tunnel.certificate, key: tunnel.key, authorities: tunnel.ca)
            }
        }
        if let file = server.admin.tokenFile {
            do throws(ConfigurationError) {
                if try TextFile.token(file).isEmpty {
                    errors.append(
                        ConfigurationError(file: file, message: "is empty: it should have the admin API's token"))
                }
            } catch {
                errors.append(error)
            }
        }
        return (errors, warnings)
    }
}
