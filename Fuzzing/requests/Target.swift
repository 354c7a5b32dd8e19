import EnvoyAPI
import XDS

/// What libFuzzer calls with each input; the first byte says what the others are.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // Borrowed for this call.
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let kind = input.first else { return 0 }
    let bytes = Array(input.dropFirst())
    switch kind % 3 {
    case 0: feed(try? DecodedRequest(bytes, .sotw), .sotw)
    case 1: feed(try? DecodedRequest(bytes, .delta), .delta)
    default: _ = try? LoadReport(bytes)
    }
    return 0
}

/// Has a stream take a request, and answer it.
private func feed(_ decoded: DecodedRequest?, _ variant: Variant) {
    guard let decoded else { return }
    var stream = DiscoveryStream(variant: variant, type: nil, limits: DiscoveryStream.Limits(names: 100))
    do {
        try stream.receive(decoded.request, type: decoded.type, from: decoded.node?.isGRPC == true ? .grpc : .envoy)
        while let (type, response) = stream.next(in: { _ in Content() }) {
            _ = response.encodedTrailer(type: type, controlPlane: "fuzz")
        }
    } catch {}
}

private struct Content: VersionIndex {
    var names: [ResourceName] { ["a"] }

    func version(of name: ResourceName) -> ResourceVersion? { name == "a" ? ResourceVersion(hash: 1) : nil }
}

/// libFuzzer's own `main`.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// SwiftPM's name for the program's `main`.
@_cdecl("fuzz_requests_main")
public func run(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments) { testOneInput($0, $1) }
}
