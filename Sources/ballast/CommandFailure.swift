import AdminAPI
import ArgumentParser
import Foundation

/// A failure of a command, with its exit code (sysexits.h).
struct CommandFailure: Error {
    enum Code: Int32 {
        case failed = 1
        case unreachable = 69
        case outdated = 75
        case notAllowed = 77
    }

    var sentence: String
    var code: Code

    init(_ sentence: String, _ code: Code) {
        self.sentence = sentence
        self.code = code
    }

    init(_ problem: ProblemPage) {
        let code: Code =
            switch problem.status {
            case 412, 429, 503: .outdated
            case 401, 403: .notAllowed
            default: .failed
            }
        self.init(problem.detail, code)
    }
}

/// Runs a command's body; a failure is one line on the standard error, and an exit code.
func reportingFailures(_ body: () async throws -> Void) async throws {
    let failure: CommandFailure
    do {
        return try await body()
    } catch let error as CommandFailure {
        failure = error
    } catch let problem as ProblemPage {
        failure = CommandFailure(problem)
    }
    say("error: \(failure.sentence)")
    throw ExitCode(failure.code.rawValue)
}

/// Writes a line to the standard error.
func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
