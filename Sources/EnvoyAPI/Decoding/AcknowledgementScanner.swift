import Glibc
public import XDS
import XXHash

extension Acknowledgement {
    /// Extracts an ACK from a request's bytes without decoding the whole request.
    ///
    /// Nil if the request may be more than an ACK, or is malformed; it must then be decoded.
    ///
    /// - Parameter known: the position and digest of the names in the last request. If the same names are there again,
    ///   they are not scanned one by one.
    public init?(scanning bytes: RawSpan, _ variant: Variant, known: inout KnownNames?) {
        guard let scan = RequestScan(bytes, variant, known: known), scan.isPlain, let nonce = scan.nonce,
            let digest = scan.digest
        else { return nil }
        self.init(type: scan.type, nonce: nonce, names: digest)
        known = KnownNames(range: scan.names, digest: digest)
    }

    /// Nil if the request may be more than an ACK, or is malformed.
    public init?(scanning bytes: RawSpan, _ variant: Variant) {
        var known: KnownNames?
        self.init(scanning: bytes, variant, known: &known)
    }

    /// The position of the names in a request, and their digest.
    public struct KnownNames: Hashable, Sendable {
        fileprivate let range: Range<Int>
        fileprivate let digest: UInt64
    }

    /// A digest of a SotW request's names; nil if the names are not contiguous.
    static func digest(ofNamesIn bytes: RawSpan) -> UInt64? { RequestScan(bytes, .sotw)?.digest }
}

/// The fields of a request that are found without decoding it.
private struct RequestScan {
    /// The field numbers of a request, from discovery.proto.
    private struct Fields {
        var version: UInt64?
        var node: UInt64
        /// The resource names, which a SotW client repeats with every request.
        var names: UInt64?
        var type: UInt64
        var nonce: UInt64

        static let sotw = Fields(version: 1, node: 2, names: 3, type: 4, nonce: 5)
        static let delta = Fields(version: nil, node: 1, names: nil, type: 2, nonce: 6)
    }

    private(set) var type: TypeURL?
    private(set) var nonce: Nonce?
    /// The digest of the names; nil if they are not contiguous.
    ///
    /// All known libraries write them contiguously.
    private(set) var digest: UInt64?
    /// Whether the request has no other fields, and a known type.
    private(set) var isPlain = true
    /// The position of the names.
    private(set) var names = 0..<0

    /// Nil if the bytes are not such a message.
    init?(_ bytes: RawSpan, _ variant: Variant, known: Acknowledgement.KnownNames? = nil) {
        let isRead = bytes.withUnsafeBytes { self.read($0, variant == .sotw ? .sotw : .delta, known) }
        guard isRead else { return nil }
    }

    private mutating func read(
        _ bytes: UnsafeRawBufferPointer, _ fields: Fields, _ known: Acknowledgement.KnownNames?
    ) -> Bool {
        var isInOnePiece = true
        var isKnown = false
        var reader = WireReader(bytes)
        var start = 0
        while let (field, value) = reader.next() {
            // All fields are strings or messages.
            guard case .bytes(let content) = value else { return false }
            let end = reader.offset
            switch field {
            case fields.type:
                type = ResourceType.all.first { $0.url.rawValue.hasBytes(content) }?.url
                isPlain = isPlain && type != nil
            case fields.nonce:
                nonce = Nonce(content)
            case fields.names
            where names.isEmpty && known?.range.lowerBound == start && known.map { $0.isIn(bytes) } == true:
                names = known?.range ?? names
                isKnown = true
                reader.skip(to: names.upperBound)
                start = names.upperBound
                continue
            case fields.names:
                isKnown = false
                isInOnePiece = isInOnePiece && (names.isEmpty || names.upperBound == start)
                names = (names.isEmpty ? start : names.lowerBound)..<end
            case fields.version, fields.node: break
            default: isPlain = false
            }
            start = end
        }
        guard !reader.isBroken else { return false }
        if isKnown {
            digest = known?.digest
        } else if isInOnePiece {
            digest = xxHash64(UnsafeRawBufferPointer(rebasing: bytes[names]).bytes)
        }
        return true
    }
}

extension Acknowledgement.KnownNames {
    /// Whether the same names are at the same position.
    fileprivate func isIn(_ bytes: UnsafeRawBufferPointer) -> Bool {
        range.upperBound <= bytes.count
            && xxHash64(UnsafeRawBufferPointer(rebasing: bytes[range]).bytes) == digest
    }
}

extension Nonce {
    fileprivate init?(_ digits: UnsafeRawBufferPointer) {
        guard (1...19).contains(digits.count), digits[0] != UInt8(ascii: "0") else { return nil }
        var number: UInt64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            number = number * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        self.init(number: number)
    }
}

extension String {
    fileprivate func hasBytes(_ bytes: UnsafeRawBufferPointer) -> Bool {
        utf8.withContiguousStorageIfAvailable { text in
            guard text.count == bytes.count, let left = text.baseAddress, let right = bytes.baseAddress else {
                return text.isEmpty && bytes.isEmpty
            }
            return memcmp(left, right, text.count) == 0
        } ?? false
    }
}
