import ArgumentParser
import Foundation
import MeshConfiguration

/// `ballast validate`: reads what `serve` would read, and says what is wrong.
struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a configuration, and the endpoints files that it names."
    )

    @Argument(help: "The configuration file.")
    var config: String

    func run() throws {
        var errors: [ConfigurationError] = []
        do throws(ConfigurationError) {
            let settings = try Configuration(path: config)
            for source in settings.clusters {
                guard case .file(let path) = source.endpoints else { continue }
                do throws(ConfigurationError) { _ = try EndpointsFile(path: path) } catch { errors.append(error) }
            }
        } catch {
            errors.append(error)
        }
        for error in errors { FileHandle.standardError.write(Data("\(error)\n".utf8)) }
        guard errors.isEmpty else { throw ExitCode(78) }  // EX_CONFIG
        print("\(config): good")
    }
}
