import Glibc
public import XDS
import XXHash

extension Acknowledgement {
    /// Finds the few fields that make an ACK in a request's bytes, without decoding it.
    ///
    /// Nil for every request that may say more than that, or that is broken: it has to be decoded.
    ///
    /// - Parameter known: where the last one's names were: if they are there again, they are not looked at one by one.
    public init?(scanning bytes: RawSpan, _ variant: Variant, known: inout KnownNames?) {
        guard let scan = RequestScan(bytes, variant, known: known), scan.isPlain, let nonce = scan.nonce,
            let digest = scan.digest
        else { return nil }
        self.init(type: scan.type, nonce: nonce, names: digest)
        known = KnownNames(range: scan.names, digest: digest)
    }

    /// Nil for every request that may say more than an ACK, or that is broken.
    public init?(scanning bytes: RawSpan, _ variant: Variant) {
        var known: KnownNames?
        self.init(scanning: bytes, variant, known: &known)
    }

    /// Where the names of a request stood, and their digest.
    public struct KnownNames: Hashable, Sendable {
        fileprivate let range: Range<Int>
        fileprivate let digest: UInt64
    }

    /// What tells a SotW request's names from others; nil where they are not in one piece.
    static func digest(ofNamesIn bytes: RawSpan) -> UInt64? { RequestScan(bytes, .sotw)?.digest }
}

/// The parts of a request that are found without decoding it.
private struct RequestScan {
    /// Where a request has its parts: discovery.proto has the numbers.
    private struct Fields {
        var version: UInt64?
        var node: UInt64
        /// What a client repeats with every request.
        var names: UInt64?
        var type: UInt64
        var nonce: UInt64

        static let sotw = Fields(version: 1, node: 2, names: 3, type: 4, nonce: 5)
        static let delta = Fields(version: nil, node: 1, names: nil, type: 2, nonce: 6)
    }

    private(set) var type: TypeURL?
    private(set) var nonce: Nonce?
    /// Of the names; nil where they are not in one piece, as all libraries write them.
    private(set) var digest: UInt64?
    /// Whether nothing else is in it.
    private(set) var isPlain = true
    /// Where the names stand.
    private(set) var names = 0..<0

    /// Nil for what is no such message.
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
            // All of them are strings and messages.
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
    /// Whether the same names are at the same place.
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
