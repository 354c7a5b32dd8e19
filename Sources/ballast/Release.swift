import ArgumentParser
import AsyncHTTPClient
import Foundation
import MeshConfiguration
import NIOCore
import NIOHTTP1

/// `ballast release`: lets go what the guard holds.
struct Release: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lets go the endpoints of a service that are held though their source no longer names them.",
        discussion: "GET /readyz shows what is held, why, and until when."
    )

    @Argument(help: "The service.")
    var service: String

    @Option(help: "Only in this cluster.")
    var cluster: String?

    @Option(help: "The running Ballast's admin API.")
    var admin = "http://127.0.0.1:18080"

    @Option(help: "A file with the token that it asks for (admin.tokenFile).")
    var tokenFile: String?

    func run() async throws {
        let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~"))
        let escaped = { (text: String) in text.addingPercentEncoding(withAllowedCharacters: plain) ?? text }
        let query = cluster.map { "?cluster=\(escaped($0))" } ?? ""
        var request = HTTPClientRequest(url: "\(admin)/v1/services/\(escaped(service))/release\(query)")
        request.method = .POST
        if let tokenFile {
            request.headers.add(name: "Authorization", value: "Bearer \(try TextFile.token(tokenFile))")
        }
        let response: HTTPClientResponse
        let body: ByteBuffer
        do {
            response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
            body = try await response.body.collect(upTo: 1 << 20)
        } catch {
            throw ValidationError("\(admin) can't be asked: \(error)")
        }
        let text = String(buffer: body).trimmingCharacters(in: .whitespacesAndNewlines)
        guard response.status == .ok else {
            FileHandle.standardError.write(Data("\(text.isEmpty ? "\(response.status)" : text)\n".utf8))
            throw ExitCode.failure
        }
        print(text)
    }
}
