import CCertificates

/// The SHA-256 hash of a text, 32 bytes; by OpenSSL, which libgrpc uses too.
public func sha256(_ text: [UInt8]) -> [UInt8] {
    // OpenSSL reads and writes only during the call.
    [UInt8](unsafeUninitializedCapacity: 32) { hash, count in
        text.withUnsafeBufferPointer { ballast_sha256($0.baseAddress, $0.count, hash.baseAddress) }
        count = 32
    }
}
