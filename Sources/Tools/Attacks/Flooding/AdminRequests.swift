import NIOCore
import TestBench

/// Cross-site requests to the admin API, as from a browser, and requests that don't end.
struct AdminRequests: Attack {
    let name = "admin-requests"
    let summary = "requests that name another site as their host, and one whose body never ends"
    let bar = "only requests by address or localhost are answered; half a body is ended within 30 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            let target = try RawTarget(victim, port: victim.adminPort)
            var figures: [Figure] = []
            for (host, isAnswered) in [
                ("localhost:1", true), ("127.0.0.1", true), ("[::1]:80", true), ("site.example", false),
                ("localhost.site.example", false), ("127.0.0.1.site.example", false), ("", false),
            ] {
                let answer = try await ask("GET /v1/services HTTP/1.1\r\nHost: \(host)\r\n", of: target)
                let status = answer.status
                figures.append(
                    Figure("host \(host)", isTrue: isAnswered ? status == 200 : status >= 400, otherwise: "\(status)"))
            }
            let health = try await ask("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n", of: target)
            figures.append(Figure("HEAD /healthz", isTrue: health.status == 200, otherwise: "\(health.status)"))
            figures.append(
                Figure("nosniff", isTrue: health.text.lowercased().contains("x-content-type-options: nosniff")))
            let foreign = try await ask(
                "POST /v1/services/honest/release HTTP/1.1\r\nHost: localhost\r\nOrigin: http://site.example\r\n",
                of: target)
            figures.append(Figure("foreign Origin", isTrue: foreign.status == 403, otherwise: "\(foreign.status)"))
            let start = ContinuousClock.now
            _ = try await ask(
                "POST /v1/services/honest/release HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
                of: target, closes: false)
            figures.append(
                Figure("half a body ended after", (ContinuousClock.now - start) / .seconds(1), "s", most: 30))
            return figures
        }
    }

    private struct Answer {
        var text: String

        var status: Int { Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0 }
    }

    /// Sends a request, and reads until the server closes the connection, for at most 40 s.
    private func ask(_ request: String, of target: RawTarget, closes: Bool = true) async throws -> Answer {
        let text = await firstResult(within: .seconds(40)) {
            try? await RawConnection.open(to: target) { connection in
                try await connection.write(
                    ByteBuffer(string: request + (closes ? "Connection: close\r\n\r\n" : "")))
                var text = ""
                for try await part in connection.inbound { text += String(buffer: part) }
                return text
            }
        }
        return Answer(text: text ?? "")
    }
}
