import CoreMetrics
import Discovery
import Foundation
public import GRPCTransport
public import Logging
public import MeshConfiguration
import YAMLFile

/// Reloads the server's certificates whenever their files change.
public struct CertificateRenewal: Sendable {
    private let files: Configuration.TLSFiles
    private let service: XDSService
    private let metrics: ServingMetrics
    private let logger: Logger

    /// Creates a renewal for these files.
    public init(
        _ files: Configuration.TLSFiles, of service: XDSService, metrics: ServingMetrics, logger: Logger
    ) {
        self.files = files
        self.service = service
        self.metrics = metrics
        self.logger = logger
    }

    /// Runs until the task is cancelled.
    ///
    /// - Parameter noteProblem: called after each change with the reason why the new certificates can't be used, or
    ///   with nil if they are in use.
    public func run(_ noteProblem: @Sendable (String?) -> Void) async {
        let changes = FileChanges(.files([files.certificate, files.key] + [files.clientCA].compactMap(\.self)))
        var isFirst = true
        await changes.forEach { _ in
            // The files present at the start have already been loaded.
            defer { isFirst = false }
            guard !isFirst else { return }
            do throws(ConfigurationError) {
                do throws(ConfigurationError) {
                    note(try await service.renewCertificates(files))
                } catch {
                    // The certificate and its key are two files, and one of them changes first.
                    try? await Task.sleep(for: .seconds(2))
                    note(try await service.renewCertificates(files))
                }
                noteProblem(nil)
            } catch {
                logger.error("the new certificates can't be used; the last ones stay", metadata: ["reason": "\(error)"])
                noteProblem("the new certificates can't be used, and the last ones stay: \(error)")
            }
        }
    }

    /// Logs the certificate in use and updates its expiry metric.
    public func note(_ material: TLSMaterial) {
        metrics.certificateExpiry(files.certificate).set(material.expiry)
        if let warning = material.warning(about: files.certificate) { logger.warning("\(warning)") }
        let end = Date(timeIntervalSince1970: Double(material.expiry))
        logger.info(
            "certificate in use",
            metadata: ["certificate": "\(files.certificate)", "until": "\(end.formatted(.iso8601))"])
    }
}
