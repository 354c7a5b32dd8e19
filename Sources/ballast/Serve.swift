import Admin
import ArgumentParser
import ControlPlane
import Discovery
import Foundation
import Intent
import IstioPublishing
import KubernetesDiscovery
import Logging
import MeshConfiguration
import Model
import ServiceLifecycle
import Serving
import UnixSignals
import YAMLFile

/// `ballast serve`: connects all parts of the program.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves xDS until SIGTERM or SIGINT; SIGHUP reads the configuration again."
    )

    @OptionGroup var configuration: ConfigurationPath

    @Option(
        help:
            "The lowest level that is logged, info by default: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).",
        transform: { text in
            guard let level = Logger.Level(rawValue: text) else {
                throw ValidationError("there is no log level \(text)")
            }
            return level
        }
    )
    var logLevel: Logger.Level = .info

    func run() async throws {
        // Must come first: a SIGHUP that is not trapped ends the process.
        let reloads = await UnixSignalsSequence(trapping: .sighup)
        let level = logLevel
        LoggingSystem.bootstrap { label in
            var handler = EscapedLogHandler(StreamLogHandler.standardError(label: label))
            handler.logLevel = level
            return handler
        }
        let logger = Logger(label: "ballast")
        let settings: Configuration
        do {
            settings = try Configuration(path: configuration.path)
        } catch {
            logger.critical("the configuration can't be used", metadata: ["reason": "\(error)"])
            throw ExitCode(78)  // EX_CONFIG
        }
        let files = settings.checkFiles().errors
        for error in files {
            logger.critical("a file of the configuration can't be used", metadata: ["reason": "\(error)"])
        }
        guard files.isEmpty else { throw ExitCode(78) }
        let metrics = PrometheusMetrics(
            help: Dictionary(uniqueKeysWithValues: MetricName.allCases.map { ($0.rawValue, $0.help) }))
        let controlPlane = ControlPlane(
            settings, version: Ballast.version, makeSource: { makeSource($0, settings.server.sources, logger) },
            makePublisher: { IstioPublisher($0, of: $1, limits: settings.server.sources, logger: logger) },
            metrics: metrics,
            logger: logger
        )
        let admin = AdminServer(
            controlPlane, host: settings.server.admin.listen.host.description, port: settings.server.admin.listen.port,
            settings: AdminSettings(
                tokenFile: settings.server.admin.tokenFile, tokens: settings.server.admin.tokens,
                hosts: settings.server.admin.hosts),
            version: Ballast.version, metrics: metrics, logger: logger
        )
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    controlPlane, admin,
                    ReloadOnSIGHUP(signals: reloads, path: configuration.path, controlPlane: controlPlane),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet(logger)
            )
        )
        do {
            try await group.run()
        } catch {
            logger.critical("stopped", metadata: ["reason": "\(error)"])
            throw ExitCode.failure
        }
    }

    /// For libraries, whose messages at `info` don't concern operators.
    private func quiet(_ logger: Logger) -> Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        return logger
    }
}

/// Creates the sources that need a Kubernetes client; the control plane creates all others itself.
private func makeSource(
    _ id: SourceID, _ limits: Configuration.SourceLimits, _ logger: Logger
) -> (any EndpointSource)? {
    switch id.kind {
    case .endpoints(.kubernetes(let settings)): KubernetesSource(settings, limits: limits, logger: logger)
    case .gateways(let settings): KubernetesGatewaySource(settings, limits: limits, logger: logger)
    case .endpoints(.file), .endpoints(.directory), .endpoints(.ballast): nil
    }
}

/// Reads the configuration again on SIGHUP.
///
/// An invalid configuration is refused, and the current one stays.
struct ReloadOnSIGHUP: ServiceLifecycle.Service {
    let signals: UnixSignalsSequence
    let path: String
    let controlPlane: ControlPlane

    func run() async throws {
        for await _ in signals.cancelOnGracefulShutdown() {
            do throws(ConfigurationError) {
                let configuration = try Configuration(path: path)
                // As at the start: the next start would end with them.
                let errors = configuration.checkFiles().errors
                guard errors.isEmpty else { throw ConfigurationError(errors) }
                await controlPlane.reload(configuration)
            } catch {
                controlPlane.refuse(error)
            }
        }
    }
}
