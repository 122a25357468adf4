// Posts standard input as net/http does by itself, then with Expect: 100-continue.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
)

func post(way string, body io.Reader, expect bool) {
	request, err := http.NewRequest("POST", os.Args[1], body)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if expect {
		request.Header.Set("Expect", "100-continue")
	}
	status, text := 0, ""
	answer, err := http.DefaultClient.Do(request)
	if err == nil {
		var said []byte
		said, err = io.ReadAll(answer.Body)
		status, text = answer.StatusCode, string(said)
	}
	if err != nil {
		status, text = 0, err.Error()
	}
	json.NewEncoder(os.Stdout).Encode([]any{way, status, text})
}

func main() {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	post("net/http", bytes.NewReader(body), false)
	post("net/http, chunked", io.MultiReader(bytes.NewReader(body)), false)
	post("net/http, expecting", bytes.NewReader(body), true)
	post("net/http, expecting, chunked", io.MultiReader(bytes.NewReader(body)), true)
}
