import CConnectionGuard
import EnvoyAPI
import Foundation
import MeshConfiguration
import XDS
import YAMLFile

/// What the inputs are, by the environment variable FUZZ: one program has all the fuzzers.
private enum Fuzzer: String {
    /// The first byte says which service's request the others are.
    case requests
    case configuration
    case endpoints
    /// What another Ballast sends: a response, or one service.
    case peers
    /// The message in a file of the saved state.
    case state
    /// The bytes of one connection, after the preface; the first byte says in pieces of what size they come.
    case frames

    static let chosen = ProcessInfo.processInfo.environment["FUZZ"].flatMap(Fuzzer.init(rawValue:)) ?? .requests

    func take(_ input: [UInt8]) {
        switch self {
        case .requests:
            let bytes = Array(input.dropFirst())
            switch (input.first ?? 0) % 3 {
            case 0:
                for variant in [Variant.sotw, .delta] {
                    compare(Acknowledgement(scanning: bytes.span.bytes, variant), bytes, variant)
                    compare(ScannedResponse(scanning: bytes.span.bytes, variant), bytes, variant)
                }
                answer(try? DecodedRequest(bytes, .sotw), .sotw)
            case 1: answer(try? DecodedRequest(bytes, .delta), .delta)
            default: _ = try? LoadReport(bytes)
            }
        case .peers:
            for resource in (try? DecodedResponse(input, .delta))?.resources ?? [] {
                _ = try? ExportedService(resource.content)
            }
            _ = try? ExportedService(input)
        case .state:
            guard let saved = try? SavedCluster(input) else { return }
            precondition((try? SavedCluster(saved.encoded)) == saved, "written and read again, it is something else")
        case .frames:
            let bytes = Array(input.dropFirst())
            let verdict = scan(bytes, pieces: Int(input.first ?? 0) + 1)
            precondition(verdict == scan(bytes, pieces: bytes.count + 24), "in other pieces, the verdict is another")
        case .configuration:
            _ = try? Configuration(text: String(decoding: input, as: UTF8.self), file: "/fuzz/ballast.yaml")
        case .endpoints:
            _ = try? EndpointsFile(text: String(decoding: input, as: UTF8.self), file: "/fuzz/east.yaml")
            // A file, and a newer one: read line by line or as a whole, it says the same.
            var reader = EndpointsReader(file: "/fuzz/east.yaml")
            for part in input.split(separator: 0, maxSplits: 1) {
                let whole = try? EndpointsFile(
                    text: TextFile.text(of: Data(part), file: "/fuzz/east.yaml"), file: "/fuzz/east.yaml")
                let read = try? reader.read(Data(part))
                precondition(read == whole, "read line by line, the file says something else")
            }
        }
    }

    /// Compares what is found in a request's bytes with what decoding finds.
    private func compare(_ scanned: Acknowledgement?, _ bytes: [UInt8], _ variant: Variant) {
        guard let scanned, let decoded = try? DecodedRequest(bytes, variant) else { return }
        precondition(decoded.request.answer.rejection == nil, "a NACK was taken for an ACK")
        precondition(Nonce(decoded.request.answer.nonce) == scanned.nonce, "another nonce was found")
        precondition(
            scanned.type == nil ? decoded.type.isEmpty : scanned.type?.rawValue == decoded.type, "another type")
        guard case .sotw(let request) = decoded.request, let digest = request.digest else { return }
        precondition(digest == scanned.names, "other names were found")
    }

    /// Compares what is found in a response's bytes with what decoding finds.
    private func compare(_ scanned: ScannedResponse?, _ bytes: [UInt8], _ variant: Variant) {
        guard let scanned, let decoded = try? DecodedResponse(bytes, variant) else { return }
        precondition(scanned.nonce == decoded.nonce && scanned.version == decoded.version, "another nonce or version")
        precondition(scanned.resources.count == decoded.resources.count, "another number of resources")
        precondition(scanned.removed == (variant == .delta ? decoded.removed : []), "other removed resources")
    }

    /// Has the guard read a connection's bytes, and looks at what it counts.
    ///
    /// - Returns: the limit that they break; negative for none.
    private func scan(_ bytes: [UInt8], pieces: Int) -> Int32 {
        var limits = ballast_guard_limits()
        (limits.header_block_bytes, limits.continuations, limits.message_bytes) = (1_000, 4, 5_000)
        limits.partial_bytes = 2_000
        var state = scanner()
        let now = milliseconds()
        scanner_start(&state, &limits, now)
        var rest = (Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + bytes)[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(pieces))
            rest = rest.dropFirst(pieces)
            let limit = scanner_read(&state, &limits, piece, piece.count, now)
            guard limit < 0 else { return Int32(limit) }
            precondition(state.header_count < 9 && state.partial_count <= UInt32(MOST_PARTIALS))
            precondition(state.partial_bytes <= limits.partial_bytes && state.block_bytes <= limits.header_block_bytes)
        }
        return -1
    }

    /// Has a stream take a request, and answer it.
    private func answer(_ decoded: DecodedRequest?, _ variant: Variant) {
        guard let decoded else { return }
        var stream = StreamSubscriptions(variant: variant, type: nil, limits: StreamSubscriptions.Limits(names: 100))
        do {
            try stream.receive(decoded.request, type: decoded.type, from: decoded.node?.dialect ?? .envoy)
            while let (type, response) = stream.next(in: { _ in Content() }) {
                _ = response.encodedTrailer(type: type, controlPlane: "fuzz")
            }
        } catch {}
    }
}

extension DiscoveryRequest {
    fileprivate var answer: (nonce: String, rejection: String?) {
        switch self {
        case .sotw(let request): (request.nonce, request.rejection)
        case .delta(let request): (request.nonce, request.rejection)
        }
    }
}

private struct Content: VersionIndex {
    var names: [ResourceName] { ["a"] }

    func version(of name: ResourceName) -> ResourceVersion? { name == "a" ? ResourceVersion(hash: 1) : nil }
}

/// What libFuzzer calls with each input, which is borrowed for the call.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    Fuzzer.chosen.take([UInt8](UnsafeBufferPointer(start: start, count: count)))
    return 0
}

/// libFuzzer's own `main`.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// SwiftPM's name for the program's `main`.
@_cdecl("fuzz_main")
public func run(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments) { testOneInput($0, $1) }
}
