import CEnvoyAPI

/// Memory for the C messages of one encoding, freed all at once.
final class Arena {
    private static let chunkByteCount = 64 * 1024
    private static let alignment = 16

    /// Owned: freed in `deinit`.
    private var chunks: [UnsafeMutableRawPointer] = []
    private var free = 0..<0

    deinit { for chunk in chunks { chunk.deallocate() } }

    /// Creates a C message with its protobuf-c `init` function.
    ///
    /// It lives as long as the arena.
    func make<Message>(
        _ initialize: (UnsafeMutablePointer<Message>?) -> Void, _ fill: (inout Message) -> Void
    ) -> UnsafeMutablePointer<Message> {
        let message = allocate(MemoryLayout<Message>.stride).bindMemory(to: Message.self, capacity: 1)
        initialize(message)
        fill(&message.pointee)
        return message
    }

    /// Creates a C string.
    ///
    /// Text after a NUL is lost.
    func string(_ text: String) -> UnsafeMutablePointer<CChar> {
        let bytes = text.utf8.count + 1
        let copy = allocate(bytes).bindMemory(to: CChar.self, capacity: bytes)
        text.withCString { copy.update(from: $0, count: bytes) }
        return copy
    }

    /// Creates the contents of a `bytes` field.
    func bytes(_ content: [UInt8]) -> ProtobufCBinaryData {
        let copy = allocate(max(content.count, 1)).bindMemory(to: UInt8.self, capacity: content.count)
        content.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { copy.update(from: base, count: content.count) }
        }
        return ProtobufCBinaryData(len: content.count, data: copy)
    }

    /// Encodes a message into an `Any`.
    func any<Message>(
        _ name: String, _ message: UnsafeMutablePointer<Message>
    ) -> UnsafeMutablePointer<Google__Protobuf__Any> {
        make(google__protobuf__any__init) { any in
            any.type_url = string("type.googleapis.com/\(name)")
            any.value = bytes(encode(message))
        }
    }

    /// Creates a C array of pointers, mutable as protobuf-c requires.
    func array<Element>(
        _ elements: [UnsafeMutablePointer<Element>]
    ) -> UnsafeMutablePointer<UnsafeMutablePointer<Element>?>? {
        guard !elements.isEmpty else { return nil }
        let stride = MemoryLayout<UnsafeMutablePointer<Element>?>.stride
        let copy = allocate(elements.count * stride)
            .bindMemory(to: UnsafeMutablePointer<Element>?.self, capacity: elements.count)
        for (index, element) in elements.enumerated() { (copy + index).initialize(to: element) }
        return copy
    }

    private func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
        let size = (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
        if free.count < size {
            let chunk = max(size, Self.chunkByteCount)
            chunks.append(.allocate(byteCount: chunk, alignment: Self.alignment))
            free = 0..<chunk
        }
        defer { free = free.lowerBound + size..<free.upperBound }
        return chunks[chunks.count - 1] + free.lowerBound
    }
}
