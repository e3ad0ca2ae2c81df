import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Kafka Streams: {@code groupByKey().aggregate(...)} over RocksDB, {@code exactly_once_v2}, one
 * thread; the job and the environment are those of {@code bench/peers/tally.py}.
 *
 * <p>Settings for throughput, as its documentation advises: record cache of 64 MiB, commits every
 * second instead of every 100 ms, 10,000 records a poll, lz4 for the changelog; JSON is read token
 * by token, without building an object. Time runs from the first to the last event aggregated; what
 * the last commit still costs is left out, in its favour.
 */
public final class KafkaStreamsPeer {
  private static final long DAY_MS = 86_400_000L;
  private static final JsonFactory JSON = new JsonFactory();

  private record Event(long occurredAt, long amount) {}

  private record Total(long day, long count, long amount) {}

  private KafkaStreamsPeer() {}

  private static Event decode(String topic, byte[] raw) {
    long occurredAt = 0;
    long amount = 0;
    try (JsonParser parser = JSON.createParser(raw)) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        JsonToken value = parser.nextToken();
        if (name.equals("occurred_at")) {
          occurredAt = parser.getLongValue();
        } else if (name.equals("amount") && value == JsonToken.VALUE_NUMBER_INT) {
          amount = parser.getLongValue();
        } else {
          parser.skipChildren();
        }
      }
    } catch (IOException error) {
      throw new IllegalArgumentException(topic, error);
    }
    return new Event(occurredAt, amount);
  }

  private static Serde<Event> events() {
    return Serdes.serdeFrom(
        (topic, event) -> {
          throw new UnsupportedOperationException("events are only read");
        },
        KafkaStreamsPeer::decode);
  }

  private static Serde<Total> totals() {
    return Serdes.serdeFrom(
        (topic, t) ->
            ByteBuffer.allocate(24).putLong(t.day).putLong(t.count).putLong(t.amount).array(),
        (topic, raw) -> {
          ByteBuffer found = ByteBuffer.wrap(raw);
          return new Total(found.getLong(), found.getLong(), found.getLong());
        });
  }

  private static Total add(Total total, Event event) {
    long day = event.occurredAt / DAY_MS;
    if (day > total.day) {
      return new Total(day, 1, event.amount);
    }
    return day < total.day ? total : new Total(day, total.count + 1, total.amount + event.amount);
  }

  private static Properties settings(Map<String, String> env, String folder) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, env.get("BENCH_NAME"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env.get("BENCH_BROKER"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10_000);
    settings.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
    settings.put(ProducerConfig.BATCH_SIZE_CONFIG, 256 << 10);
    return settings;
  }

  public static void main(String[] arguments) throws InterruptedException {
    Map<String, String> env = System.getenv();
    long wanted = Long.parseLong(env.get("BENCH_EVENTS"));
    long bound = (long) (Double.parseDouble(env.get("BENCH_SECONDS")) * 1e9);
    Map<String, Total> latest = new HashMap<>();
    long[] seen = new long[3]; // events, first and last System.nanoTime(): one thread writes
    CountDownLatch done = new CountDownLatch(1);
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(
            Arrays.asList(env.get("BENCH_TOPICS").split(",")),
            Consumed.with(Serdes.String(), events()))
        .groupByKey()
        .aggregate(
            () -> new Total(-1, 0, 0),
            (merchant, event, total) -> {
              Total found = add(total, event);
              long now = System.nanoTime();
              if (done.getCount() == 0) {
                return found;
              }
              if (seen[0]++ == 0) {
                seen[1] = now;
              }
              seen[2] = now;
              latest.put(merchant, found);
              if (seen[0] >= wanted || now - seen[1] > bound) {
                done.countDown();
              }
              return found;
            },
            Materialized.<String, Total, KeyValueStore<Bytes, byte[]>>as("totals")
                .withKeySerde(Serdes.String())
                .withValueSerde(totals()));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings(env, arguments[0]));
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(1);
          return null;
        });
    streams.start();
    done.await();
    long count = latest.values().stream().mapToLong(Total::count).sum();
    long amount = latest.values().stream().mapToLong(Total::amount).sum();
    System.out.printf(
        "{\"events\": %d, \"events_per_s\": %.1f, \"merchants\": %d, \"count\": %d, \"amount\": %d}%n",
        seen[0], seen[0] / ((seen[2] - seen[1]) / 1e9), latest.size(), count, amount);
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }
}
