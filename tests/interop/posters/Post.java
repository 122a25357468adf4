// Posts standard input as both clients of the JDK do by themselves, then with Expect: 100-continue.
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;

class Post {
    interface Way { void post() throws Exception; }

    static URI uri;
    static byte[] body;

    static void say(String way, int status, String text) {
        String quoted = text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        System.out.println("[\"" + way + "\", " + status + ", \"" + quoted + "\"]");
    }

    static void client(String way, boolean expect) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(uri).expectContinue(expect)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
        HttpResponse<String> answer =
            HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        say(way, answer.statusCode(), answer.body());
    }

    static void connection(String way, int chunk, boolean expect) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
        connection.setRequestMethod("POST");
        connection.setRequestProperty("Content-Type", "application/json");
        connection.setDoOutput(true);
        if (chunk > 0) connection.setChunkedStreamingMode(chunk);
        if (expect) {
            connection.setFixedLengthStreamingMode(body.length);
            connection.setRequestProperty("Expect", "100-continue");
        }
        try {
            connection.getOutputStream().write(body);
        } catch (IOException refused) {
            // With an expectation that is not met; the answer is there all the same.
        }
        int status = connection.getResponseCode();
        InputStream said = status < 400 ? connection.getInputStream() : connection.getErrorStream();
        say(way, status, said == null ? "" : new String(said.readAllBytes(), StandardCharsets.UTF_8));
    }

    static void attempt(String way, Way post) {
        try {
            post.post();
        } catch (Exception error) {
            say(way, 0, error.toString());
        }
    }

    public static void main(String[] arguments) throws Exception {
        uri = URI.create(arguments[0]);
        body = System.in.readAllBytes();
        attempt("HttpClient", () -> client("HttpClient", false));
        // In JDK 17 it waits for ever when the answer is not a 100, whatever server gives it.
        if (arguments.length == 1) attempt("HttpClient, expecting", () -> client("HttpClient, expecting", true));
        attempt("HttpURLConnection", () -> connection("HttpURLConnection", 0, false));
        attempt("HttpURLConnection, chunked", () -> connection("HttpURLConnection, chunked", 4096, false));
        attempt("HttpURLConnection, expecting", () -> connection("HttpURLConnection, expecting", 0, true));
    }
}
