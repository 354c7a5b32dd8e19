/// XXH64 with seed 0, as its specification describes it.
///
/// Not for secrets: it only has to tell content from other content.
public func xxHash64(_ input: RawSpan) -> UInt64 {
    var offset = 0
    var hash: UInt64

    if input.byteCount >= 32 {
        var lanes: (UInt64, UInt64, UInt64, UInt64) = (prime1 &+ prime2, prime2, 0, 0 &- prime1)
        while offset + 32 <= input.byteCount {
            lanes.0 = round(lanes.0, word(input, offset))
            lanes.1 = round(lanes.1, word(input, offset + 8))
            lanes.2 = round(lanes.2, word(input, offset + 16))
            lanes.3 = round(lanes.3, word(input, offset + 24))
            offset += 32
        }
        hash = rotate(lanes.0, 1) &+ rotate(lanes.1, 7) &+ rotate(lanes.2, 12) &+ rotate(lanes.3, 18)
        for lane in [lanes.0, lanes.1, lanes.2, lanes.3] { hash = (hash ^ round(0, lane)) &* prime1 &+ prime4 }
    } else {
        hash = prime5
    }
    hash &+= UInt64(input.byteCount)

    while offset + 8 <= input.byteCount {
        hash = rotate(hash ^ round(0, word(input, offset)), 27) &* prime1 &+ prime4
        offset += 8
    }
    if offset + 4 <= input.byteCount {
        hash = rotate(hash ^ halfWord(input, offset) &* prime1, 23) &* prime2 &+ prime3
        offset += 4
    }
    while offset < input.byteCount {
        hash = rotate(hash ^ UInt64(byte(input, offset)) &* prime5, 11) &* prime1
        offset += 1
    }

    hash = (hash ^ hash >> 33) &* prime2
    hash = (hash ^ hash >> 29) &* prime3
    return hash ^ hash >> 32
}

/// The hash of an array's bytes.
public func xxHash64(_ bytes: [UInt8]) -> UInt64 {
    // Safe: the span ends with the call.
    unsafe xxHash64(bytes.span.bytes)
}

/// The hash of some of an array's bytes.
public func xxHash64(_ bytes: [UInt8], in range: Range<Int>) -> UInt64 {
    // Safe: the span ends with the call.
    unsafe xxHash64(bytes.span.extracting(range).bytes)
}

/// The same of a text's UTF-8: equal on every machine and in every run, unlike `Hasher`'s.
public func xxHash64(_ text: String) -> UInt64 {
    let bytes = Array(text.utf8)
    return unsafe xxHash64(bytes.span.bytes)
}

private let prime1: UInt64 = 0x9e37_79b1_85eb_ca87
private let prime2: UInt64 = 0xc2b2_ae3d_27d4_eb4f
private let prime3: UInt64 = 0x1656_67b1_9e37_79f9
private let prime4: UInt64 = 0x85eb_ca77_c2b2_ae63
private let prime5: UInt64 = 0x27d4_eb2f_1656_67c5

private func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }

private func round(_ lane: UInt64, _ word: UInt64) -> UInt64 { rotate(lane &+ word &* prime2, 31) &* prime1 }

// Loads check their bounds; an integer may have any bits.

private func word(_ input: RawSpan, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: unsafe input.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
}

private func halfWord(_ input: RawSpan, _ offset: Int) -> UInt64 {
    UInt64(UInt32(littleEndian: unsafe input.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)))
}

private func byte(_ input: RawSpan, _ offset: Int) -> UInt8 {
    unsafe input.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
}
