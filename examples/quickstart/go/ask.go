// Asks Antiphon one question in writing, and prints the answer while it is spoken.
package main

import (
	"context"
	"fmt"
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "quickstart/antiphon/v1"
)

var plaintext = grpc.WithTransportCredentials(insecure.NewCredentials())

func main() {
	call := must(pb.NewConversationClient(must(grpc.NewClient("localhost:50050", plaintext))).Converse(context.Background()))
	call.Send(&pb.ConverseRequest{Message: &pb.ConverseRequest_Config{Config: &pb.ConversationConfig{}}})
	call.Send(&pb.ConverseRequest{Message: &pb.ConverseRequest_Text{Text: &pb.UserText{Text: "What do bees make?", Respond: true}}})
	for event := must(call.Recv()); event.GetTurnEnded() == nil; event = must(call.Recv()) {
		fmt.Print(event.GetReplyText().GetText())
	}
	fmt.Println()
}

// must gives the value, or ends the program with what went wrong.
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
